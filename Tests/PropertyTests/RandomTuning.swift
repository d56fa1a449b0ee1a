import Models
import Numbers
import Plans
import TestSupport

/// Draws what of a model is trained, and how its batches are made up: adapters, frozen parts, weights in few bits, packed
/// documents, padding, a batch that grows.
///
/// Numbers of its own, so that the plans themselves stay as they were.
struct RandomTuning {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: SplitMix64.mixed(seed ^ 0x10_4a)) }

    /// Plans with some of it each, made of plans that have none.
    static func plans(_ plans: [Plan], seed: UInt64) -> [Plan] {
        var source = RandomTuning(seed: seed)
        return plans.filter(\.model.isPricedTuned).enumerated().map { place, plan in
            var plan = source.tuned(plan)
            plan.run = shares(seed &+ UInt64(place))
            return plan
        }.filter(\.isLegal)
    }

    /// Shares of a run; many are left to their defaults.
    private static func shares(_ seed: UInt64) -> RunShares {
        var numbers = SplitMix64(seed: SplitMix64.mixed(seed))
        func draw(_ values: [Double]) -> Double? { numbers.chance(0.4) ? numbers.pick(values) : nil }
        return RunShares(
            evaluation: draw([0, 0.01, 0.125]), data: draw([0, 0.02]), idle: draw([0, 0.25, 0.7]),
            practice: draw([1, 1.18, 1.5]))
    }

    private mutating func tuned(_ plan: Plan) -> Plan {
        var plan = plan
        // Modules of multi-token prediction are priced with whole training alone.
        let tuning = tuning(plan.model)
        plan.model.tune(plan.model.mtp == nil ? tuning : nil)
        // Parts of a vocabulary are priced with whole training alone.
        if plan.model.tuning != nil { plan.layout?.vocabularyParallel = nil }
        // Frozen weights are not gathered after an update, and products of four bits have weights of their own.
        if plan.model.tuning != nil, plan.statedRecipe != nil { plan.statedRecipe?.parameterGather = false }
        if plan.recipe != nil, var other = plan.model.tuning {
            other.quantized = nil
            plan.model.tune(other)
        }
        let isRare = plan.model.mtp != nil || plan.layout?.contextExchange == .headsAndRing
        if numbers.chance(isRare ? 0.9 : 0.4), !plan.model.hasIndexer { plan.model.documents = documents(plan.model) }
        if numbers.chance(0.3) { plan.padding = numbers.pick([0.02, 0.25, 0.5]) }
        if numbers.chance(0.3), let layout = plan.layout { rampUp(&plan, layout) }
        return plan
    }

    private mutating func tuning(_ model: Model) -> Tuning? {
        var tuning = Tuning()
        if numbers.chance(0.6) {
            let isJoined = model.family == .gpt
            let plain = model.mla == nil && model.kinds.allSatisfy { $0.shape.mla == nil }
            var targets: [[String]] = [
                [LoRA.allLinear], ["linear_qkv", "linear_proj", "linear_fc1", "linear_fc2"],
                ["linear_qkv", "linear_proj"], ["linear_fc2"], ["linear_proj", "linear_fc1"],
            ]
            if !isJoined, plain { targets.append(["q_proj", "down_proj"]) }
            let known = model.adaptableModules
            let lists = targets.filter { $0.allSatisfy { target in known.contains { LoRA.names(target, $0) } } }
            let rank = numbers.pick([1, 8, 16, 200])
            tuning.lora = LoRA(rank: rank, alpha: 16, targetModules: numbers.pick(lists))
        } else {
            var parts: [FrozenPart] = []
            if numbers.chance(0.6) { parts.append(.embedding) }
            if numbers.chance(0.4) {
                parts.append(.layers(first: 0, last: numbers.pick([0, model.layers / 2, model.layers - 1])))
            }
            if numbers.chance(0.2) { parts.append(.head) }
            if numbers.chance(0.3) { parts.append(numbers.pick([.attention, .feedForward, .norms])) }
            if model.mixtureLayers > 0, numbers.chance(0.3) { parts.append(numbers.pick([.router, .experts])) }
            tuning.frozen = parts
        }
        if numbers.chance(0.4) { tuning.quantized = Quantization(isDouble: numbers.chance(0.7)) }
        var tuned = model
        tuned.tune(tuning)
        if tuning.quantized != nil, !tuned.hasQuantizedWeights { tuning.quantized = nil }
        tuned.tune(tuning)
        return tuned.trainedParameters == 0 ? nil : tuning
    }

    private mutating func documents(_ model: Model) -> Documents {
        let lengths = [1, 64, 700, model.sequence / 3, model.sequence, 3 * model.sequence].filter { $0 > 0 }
        let count = numbers.pick([1, 1, 2, 3])
        var taken: [Int: Double] = [:]
        for _ in 0..<count { taken[numbers.pick(lengths)] = numbers.pick([1, 2, 0.5]) }
        return Documents(
            lengths: taken.sorted { $0.key < $1.key }.map { Documents.Length(tokens: $0.key, weight: $0.value) })
    }

    /// A growth whose batches the layout and its schedule take, where one is found.
    private mutating func rampUp(_ plan: inout Plan, _ layout: Layout) {
        let slice = layout.data * layout.microbatch
        let count = plan.batch / slice
        let steps = Divisors.of(count).filter { $0 < count }
        guard let step = steps.isEmpty ? nil : numbers.pick(steps) else { return }
        let rampup = BatchRampup(
            start: step * slice, increment: step * slice, samples: numbers.pick([1000, 1_000_000]))
        guard
            rampup.stages(to: plan.batch).allSatisfy({ layout.scheduleProblem(microbatches: $0.batch / slice) == nil })
        else { return }
        plan.rampup = rampup
    }
}

extension Model {
    /// Whether the reader takes adapters, frozen parts and packed documents of the model.
    var isPricedTuned: Bool {
        image == nil && video == nil && ([block] + kinds.map(\.shape)).allSatisfy { $0.parallel != .fused }
    }

    fileprivate var hasIndexer: Bool { ([block] + kinds.map(\.shape)).contains { $0.mla?.indexer != nil } }
}

extension Corpus {
    /// Plans that train a part of a model, or pack documents, or let the batch grow.
    static let tuned = RandomTuning.plans(Array(plans.prefix(size / 3)), seed: 7)
}

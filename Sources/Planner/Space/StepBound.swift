internal import Costs
internal import Models
internal import Numbers
internal import Plans
internal import Schedules

/// A lower bound of a plan's step on any number of devices. It shows which numbers need no search.
///
/// The bound is the larger of two, both made of the block times that prices are made of. All devices together need at
/// least the compute and tensor-parallel communication of all sequences, at the best micro-batch and tensor degree. And
/// no step is shorter than one micro-batch's forward and backward through all layers.
struct StepBound: Sendable {
    /// Device-seconds that a sequence needs at least.
    let work: Double
    /// Seconds that one micro-batch needs at least through all layers.
    let pass: Double
    /// Bytes of weights and optimizer, which the devices together must hold.
    let state: Double
    /// Work on the devices themselves that was computed for the bound.
    let known: KnownWork
    private let plan: Plan
    /// The bounds are taken times this: a layout may cut the model in ways that the bounds do not price.
    private static let slack = 0.98

    init(_ plan: Plan, space: SearchSpace, options: CostOptions) {
        self.plan = plan
        state = Self.state(plan, space: space)
        var (work, pass) = (Double.infinity, Double.infinity)
        let contexts =
            space.context.fixed
            ?? max(1, space.fewestContextTokens > 0 ? plan.model.sequence / space.fewestContextTokens : 1)
        var passes = WholePasses(plan, options: options)
        for layout in Self.shapes(plan, space) {
            guard let priced = passes.pass(layout) else { continue }
            let seconds = priced.compute + priced.tensorComm
            work = min(work, seconds * Double(layout.tensor) / Double(layout.microbatch))
            pass = min(pass, priced.compute / Double(max(1, contexts)))
        }
        known = passes.work
        self.work = work.isFinite ? Self.slack * work : 0
        self.pass = pass.isFinite ? Self.slack * pass : 0
    }

    /// Bytes of weights and optimizer, which the devices together must hold.
    static func state(_ plan: Plan, space: SearchSpace) -> Double {
        // What is offloaded is in no device.
        guard space.base(for: plan).offload == nil, !plan.offloadsIfNeeded else { return 0 }
        let bytes = StateBytes(
            precision: plan.precision, gradients: space.base(for: plan).gradients, optimizer: plan.optimizer)
        let weight = plan.recipe?.parameterGather == true ? min(1, bytes.weight) : bytes.weight
        // Frozen weights may be stored in few bits, and have no optimizer state.
        return (weight + bytes.leastOptimizer) * Double(plan.model.trainedParameters)
    }

    /// Layouts of one pipeline rank and one replica, or as many replicas as the experts need, in all ways that change a
    /// block's time.
    private static func shapes(_ plan: Plan, _ space: SearchSpace) -> [Layout] {
        let model = plan.model
        let most = min(space.tensor.most ?? plan.cluster.innerReach, 1 << 12)
        let tensors =
            space.tensor.fixed.map { [$0] }
            ?? Divisors.of(model.widthsCutByTensor.first?.value ?? model.hidden)
            .filter { $0 <= most && space.divides($0, model) }
        let larger = sequence(first: 32) { $0 < 1 << 20 ? 2 * $0 : nil }
        let micro =
            space.microbatch.fixed.map { [$0] }
            ?? ([1, 2, 3, 4, 6, 8, 12, 16] + larger).filter { $0 <= space.microbatch.most ?? .max }
        let mixtures = model.mixtures
        let experts =
            mixtures.first.map { moe in space.expert.fixed.map { [$0] } ?? Divisors.of(moe.experts) } ?? [1]
        // On one software, sharding changes only what is gathered, and the casts of it that a recipe needs.
        let software = plan.onOneFramework.frameworks
        let isAlike = plan.recipe == nil && software.named ?? software.assumed != nil
        let shardings: [Layout.Sharding] =
            isAlike || !space.sharding.contains(.parameters) ? [.none] : [.none, .parameters]
        var found: [Layout] = []
        for tensor in tensors {
            for expert in experts {
                for expertTensor in Set([1, mixtures.isEmpty ? 1 : tensor]) {
                    for microbatch in micro {
                        for sharding in shardings {
                            for sequenceParallel in space.sequenceParallel where !sequenceParallel || tensor > 1 {
                                var layout = space.base(for: plan)
                                layout.tensor = tensor
                                (layout.expert, layout.expertTensor) = (expert, expertTensor)
                                layout.data = expert
                                layout.microbatch = microbatch
                                layout.sharding = sharding
                                layout.sequenceParallel = sequenceParallel
                                found.append(layout)
                            }
                        }
                    }
                }
            }
        }
        return found
    }

    /// A lower bound of `Estimate.measure` on `devices` with a step of `batch` sequences.
    func least(devices: Int, batch: Int) -> Double {
        let sequences = Double(max(1, batch))
        let step = max(sequences * work / Double(devices), pass)
        guard let tokens = plan.tokens else { return step / sequences }
        let steps = tokens / (sequences * Double(plan.model.sequence))
        return steps * step * plan.runOverSteps / 86_400
            / plan.mostGoodput(devices: devices)
    }

    /// The longest step of `batch` sequences whose run has this `measure`, seconds.
    func step(measure: Double, batch: Int) -> Double {
        let sequences = Double(max(1, batch))
        guard let tokens = plan.tokens else { return measure * sequences }
        return measure / plan.runOverSteps * 86_400 / (tokens / (sequences * Double(plan.model.sequence))).rounded(.up)
    }

    /// Whether weights and optimizer alone are more than `devices` hold.
    func exceedsMemory(devices: Int, usable: Double) -> Bool { state > usable * Double(devices) }
}

extension Estimate {
    /// The figure by which a number of devices is chosen: days of the run, or seconds a sequence where the plan states
    /// no tokens.
    var measure: Double { run?.days ?? iteration.seconds / Double(max(1, plan.batch)) }
}

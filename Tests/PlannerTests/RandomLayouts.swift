import Costs
import Models
import Numbers
import Planner
import Plans
import Schedules
import TestSupport

/// Random plans that obey every rule, the same ones on every machine.
struct RandomLayouts {
    private var random: SplitMix64
    private let clusters: [Cluster]
    private let frameworks: Frameworks

    init(seed: UInt64, clusters names: [String]) throws {
        random = SplitMix64(seed: seed)
        clusters = try names.map { try Cluster.read($0, library: Checkout.library) }
        frameworks = try Frameworks.read(library: Checkout.library)
    }

    /// A plan with its layout on one of `devices`.
    mutating func next(devices: [Int], schedules: [ScheduleName] = ScheduleName.allCases) -> (Plan, Layout) {
        while true {
            let cluster = pick(clusters)
            let count = pick(devices)
            let model = model()
            var layout = Layout(microbatch: pick([1, 1, 2, 4]), schedule: pick(schedules))
            var left = count
            layout.tensor = divisor(of: left, atMost: 8)
            left /= layout.tensor
            layout.pipeline = divisor(of: left, atMost: 16)
            left /= layout.pipeline
            layout.context = pick([1, 1, divisor(of: left, atMost: 4)])
            left /= layout.context
            layout.data = left
            layout.virtualStages = layout.schedule.fixedVirtualStages ?? (layout.pipeline > 1 ? pick([1, 2, 3]) : 1)
            if layout.pipeline == 1 { (layout.schedule, layout.virtualStages) = (.oneForwardOneBackward, 1) }
            if model.moe != nil {
                let ranks = layout.tensor * layout.context * layout.data
                layout.expert = divisor(of: ranks, atMost: 16)
                layout.expertTensor = pick([1, 1, divisor(of: ranks / layout.expert, atMost: 2)])
            }
            layout.recompute = pick([.none, .selective, .full])
            layout.sharding = pick([.none, .optimizer, .gradients, .parameters])
            layout.sequenceParallel = layout.tensor > 1 && pick([true, false])
            layout.overlap = Layout.Overlap(
                data: pick([true, false]), tensor: pick([true, false]), pipeline: pick([true, false]),
                expert: pick([true, false]))
            if layout.recompute == .full, pick([true, false]) { layout.recomputeLayers = pick([1, 2]) }
            if layout.pipeline > 1, pick([true, false]) {
                layout.layersPerStage = split(model.layers, stages: layout.stages)
            }
            let microbatches = pick([1, 3, layout.pipeline, 2 * layout.pipeline, 4 * layout.pipeline])
            let batch = layout.data * layout.microbatch * microbatches
            var known = frameworks
            known.named = pick(frameworks.known.keys.sorted())
            let shape = PipelineShape(
                ranks: layout.pipeline, virtualStages: layout.virtualStages, microbatches: microbatches)
            guard layout.schedule.problem(shape) == nil, layout.stages <= model.layers,
                layout.problems(for: model, batch: batch, devices: count).isEmpty
            else { continue }
            let plan = Plan(
                name: "random", model: model, tokens: nil, cluster: cluster, devices: count, batch: batch,
                precision: .bf16, layout: layout, frameworks: known)
            return (plan, layout)
        }
    }

    private mutating func model() -> Model {
        let heads = pick([12, 16, 24, 48])
        let layers = pick([12, 16, 30, 32])
        var model = Model(
            family: pick([.gpt, .llama]), layers: layers, hidden: heads * 128, heads: heads,
            ffn: pick([4, 6]) * heads * 64, vocab: pick([32000, 128_256]), sequence: pick([1024, 4096, 16384]),
            tiedEmbeddings: pick([true, false]))
        if pick([true, false]) {
            model.moe = Model.Mixture(
                experts: pick([8, 16, 64]), topK: pick([1, 2]), ffn: pick([1024, 4096]), firstDense: pick([0, 1, 8]))
        }
        return model
    }

    /// `layers` over `stages`, at least one each and otherwise anyhow.
    private mutating func split(_ layers: Int, stages: Int) -> [Int]? {
        guard stages <= layers else { return nil }
        var sizes = [Int](repeating: 1, count: stages)
        for _ in 0..<layers - stages { sizes[Int.random(in: 0..<stages, using: &random)] += 1 }
        return sizes
    }

    private mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }

    private mutating func divisor(of number: Int, atMost most: Int) -> Int {
        pick((1...max(1, most)).filter { number % $0 == 0 })
    }
}

extension Plan {
    /// Text that a failing test prints.
    var said: String { "\(devices) × \(cluster.name), \(frameworks.named ?? "auto"), batch \(batch), \(model)" }
}

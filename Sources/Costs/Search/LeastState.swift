internal import Models
internal import Plans

/// Lower bounds of the bytes of weights, gradients and optimizer state.
struct LeastState: Sendable {
    /// Bytes of a parameter with one kind of sharding.
    private struct Held {
        var sharding: Layout.Sharding
        var bytes: StateBytes

        func total(_ parameters: Double, group: Int) -> Double {
            let held = bytes.held(parameters: parameters, sharding: sharding, group: group)
            return held.weights + held.gradients + held.optimizer
        }
    }

    private var held: [Held] = []
    private var parameters = (experts: 0.0, others: 0.0)

    init() {}

    /// - Parameter parameters: parameters of the model: of routed experts, and all others.
    init(_ plan: Plan, _ choices: MeshChoices, _ framework: Framework, parameters: (experts: Double, others: Double)) {
        self.parameters = parameters
        // If only some rows of a table take gradients, the table needs less memory, and there is no bound.
        // Frozen weights need less memory too.
        guard framework.memory.lookedUp == nil, plan.model.tuning == nil else { return }
        held = Set(choices.sharding + choices.shardingWithPipeline).map { sharding in
            var layout = choices.base
            layout.sharding = sharding
            var bytes = StateBytes(
                precision: plan.precision, layout: layout, framework: framework, optimizer: plan.optimizer)
            bytes.optimizer = bytes.leastOptimizer
            if plan.recipe?.parameterGather == true { bytes.keptWeight = min(1, bytes.keptWeight) }
            return Held(sharding: sharding, bytes: bytes)
        }
    }

    /// Bytes of the fullest rank, for all layouts of `mesh`: the mean of a pipeline's ranks.
    func bytes(_ mesh: Layout, choices: MeshChoices) -> Double {
        let group = mesh.data * mesh.context
        let pieces = mesh.expert * mesh.expertTensor
        let copies = ExpertGrid(mesh).copies
        let kinds = choices.sharding(pipeline: mesh.pipeline)
        let least = held.lazy.filter { kinds.contains($0.sharding) }.map {
            $0.total(parameters.others / Double(mesh.tensor), group: group)
                + $0.total(parameters.experts / Double(pieces), group: copies)
        }.min()
        // What is offloaded is in no device.
        return mesh.offload == nil ? LeastPasses.slack * (least ?? 0) / Double(mesh.pipeline) : 0
    }
}

internal import Models
internal import Numbers
internal import Reading

/// Which rules between keys can be asked while others are wrong.
extension PlanReading {
    /// The keys that rules between keys cannot be asked with: wrong ones, and those that follow from them.
    func unknownKeys(
        isModelKnown: Bool, _ layout: LayoutReading.Result?, isBatchStated: Bool
    ) -> UnknownKeys {
        // Files that the plan names have problems of their own.
        let own = reader.collector.problems.filter { $0.file == nil || $0.file == reader.collector.file }
        var unknown = UnknownKeys(own.map(\.field))
        // A misspelt key has no value.
        unknown.formUnion(
            own.compactMap { problem in
                guard let meant = problem.fix.firstMatch(of: #/did you mean '([^']+)'/#)?.1 else { return nil }
                let map = problem.field.lastIndex(of: ".").map { problem.field[...$0] } ?? ""
                return "\(map)\(meant)"
            })
        func follow(_ key: String, _ others: [String]) {
            if others.contains(where: unknown.touches) { unknown.formUnion([key]) }
        }
        if !isModelKnown { unknown.formUnion(["model"]) }
        follow(
            "layout.layersPerStage",
            [
                "layout.pipelineLayout", "layout.\(StageDivision.embeddingKey)", "layout.\(StageDivision.lossKey)",
                "layout.\(StageDivision.firstKey)", "layout.\(StageDivision.lastKey)",
            ])
        follow("layout.virtualStages", ["layout.pipelineLayout"])
        unknown.follow("offload", as: "layout.offload")
        if let layout, !layout.dataIsGiven {
            follow("layout.data", ["devices", "layout.tensor", "layout.pipeline", "layout.context"])
        }
        follow("batch", ["accumulation", "layout.globalBatch"])
        if !isBatchStated { follow("batch", ["model", "layout.microbatch", "layout.data"]) }
        return unknown
    }

    /// Reports what the cluster's hosts cannot hold and pairs of choices that are not priced together. Only pairs of keys
    /// with valid values are named.
    func refusePairs(
        _ plan: Plan, recipe: Recipe?, gradients: Precision?, loss: LossComputation?,
        offload: (stated: Layout.Offload?, ifNeeded: Bool), optimizer: Optimizer?, isClusterKnown: Bool,
        unknown: UnknownKeys
    ) {
        var plan = plan
        plan.statedRecipe = recipe
        (plan.gradients, plan.loss) = (gradients, loss ?? plan.loss)
        (plan.offload, plan.offloadsIfNeeded) = offload
        plan.optimizer = optimizer ?? plan.optimizer
        let ofHost =
            isClusterKnown && !unknown.covers("offload") && !unknown.covers("layout.offload")
            ? plan.hostProblems(plan.layout) : []
        var divided = plan
        divided.divideStages()
        let pairs = plan.combinationProblems(plan.layout, divided: divided.layout).filter { problem in
            !unknown.covers(problem.field) && (problem.field != "layout.tensor" || !unknown.touches("model.kvHeads"))
        }
        (ofHost + pairs).map(placed).forEach(reader.collector.adopt)
    }
}

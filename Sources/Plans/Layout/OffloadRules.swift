internal import Models
internal import Reading

extension Layout {
    /// Problems of what is offloaded with the rest of the layout.
    /// - Parameter unknown: keys without a valid value. A rule that reads one of them is not asked.
    func offloadProblems(_ model: Model, _ unknown: UnknownKeys = UnknownKeys()) -> [PlanProblem] {
        guard let offload, !unknown.covers("layout.offload") else { return [] }
        var problems: [PlanProblem] = []
        func isKnown(_ keys: [String]) -> Bool { !keys.contains { unknown.touches("layout.offload.\($0)") } }
        func refuse(_ key: String, beside others: String..., value: String, _ rule: String, _ fix: String) {
            guard isKnown([key] + others) else { return }
            problems.append(
                PlanProblem(.misfit, field: "layout.offload.\(key)", value: value, rule: rule, fix: fix))
        }
        if offload.parameters {
            if sharding != .parameters {
                refuse(
                    "parameters", value: "true", "needs sharding parameters: shards are what the host keeps",
                    "set layout.sharding to parameters, or remove it")
            }
            if offload.optimizer < 1 {
                refuse(
                    "parameters", beside: "optimizer", value: "true",
                    "needs optimizer true: the host steps the parameters that it keeps",
                    "set layout.offload.optimizer to true")
            }
            if !offload.gradients {
                refuse(
                    "gradients", beside: "parameters", value: "false",
                    "the gradients of parameters that the host keeps and steps are there too",
                    "remove it")
            }
        } else if offload.gradients {
            if sharding != .gradients, sharding != .parameters {
                refuse(
                    "gradients", beside: "parameters", value: "true",
                    "needs sharding gradients or parameters: shards are what the host keeps",
                    "set layout.sharding to gradients, or remove it")
            }
            if offload.optimizer < 1 {
                refuse(
                    "gradients", beside: "parameters", "optimizer", value: "true",
                    "needs optimizer true: the host steps with the gradients that it keeps",
                    "set layout.offload.optimizer to true")
            }
        }
        if outerSharding != .none, offload.optimizer > 0 {
            refuse(
                "optimizer", value: "true", "is not priced together with layout.outerSharding", "remove one of the two")
        }
        guard offload.activations != .none else { return problems }
        if recompute == .full, recomputed != .all {
            refuse(
                "activations", value: Self.written(offload.activations),
                "is not priced together with recomputing some blocks of a stage, or blocks in runs",
                "recompute all blocks or none")
        }
        if let count = offloadedBlocks {
            if count > model.layers {
                refuse(
                    "activations", value: "\(count)", "counts blocks of a stage, the model has \(model.layers)",
                    "use true for all blocks")
            }
            if model.mtp != nil {
                refuse(
                    "activations", value: "\(count)", "is not priced together with model.mtp", "use true for all blocks"
                )
            }
            if offload.parameters {
                refuse(
                    "activations", beside: "parameters", value: "\(count)",
                    "is not priced together with layout.offload.parameters",
                    "use true for all blocks")
            }
        }
        return problems
    }

    private static func written(_ activations: Offload.Activations) -> String {
        if case .first(let count) = activations { "\(count)" } else { "true" }
    }
}

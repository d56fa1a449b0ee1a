internal import Schedules

extension Layout {
    /// Every rule that only a real run has, beyond `problems(for:batch:devices:)`: what the planner may round or the
    /// field may do but the runtime does not.
    package func problemsOfARun(_ model: Model, batch: Int) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        func refuse(_ field: String, _ value: String, _ rule: String, _ fix: String = "") {
            problems.append(PlanProblem(.misfit, field: field, value: value, rule: rule, fix: fix))
        }
        if model.vocab % tensor != 0 {
            refuse(
                "layout.tensor", "\(tensor)", "must divide model.vocab \(model.vocab): every rank holds a slice of it",
                "raise model.vocab to \((model.vocab + tensor - 1) / tensor * tensor)")
        }
        if let moe = model.moe {
            if moe.sharedWidth % tensor != 0 {
                refuse(
                    "layout.tensor", "\(tensor)",
                    "must divide the shared experts' \(moe.sharedWidth) columns (moe.shared · moe.sharedFfn)",
                    "raise model.moe.sharedFfn")
            }
            let tokens = microbatch * model.sequence / context
            if tokens % tensor != 0 {
                refuse(
                    "layout.tensor", "\(tensor)",
                    "must divide a micro-batch's \(tokens) tokens (microbatch · sequence / context): "
                        + "every tensor rank routes its own", "raise layout.microbatch to a multiple of \(tensor)")
            }
        }
        if sharding != .none, shardRanks < data * context {
            refuse(
                "layout.shardGroup", "\(shardRanks)",
                "must be data · context, \(data * context), in a real run: "
                    + "the runtime shards over all of them", "remove it")
        }
        let shardsGradients = sharding == .gradients || sharding == .parameters
        let microbatches = batch / max(1, data * microbatch)
        if shardsGradients, !copiesRunAlike(microbatches: microbatches) {
            refuse(
                "layout.sharding", sharding.rawValue,
                "needs an even number of micro-batches with \(schedule.rawValue), not \(microbatches): "
                    + "the two copies of a stage must finish together", "change batch, or use optimizer or none")
        }
        return problems
    }

    private func copiesRunAlike(microbatches: Int) -> Bool {
        guard schedule.isBidirectional else { return true }
        let made = try? schedule.schedule(ranks: pipeline, virtualStages: virtualStages, microbatches: microbatches)
        return made?.copiesRunAlike ?? true
    }
}

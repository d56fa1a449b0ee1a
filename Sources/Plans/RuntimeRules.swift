internal import Schedules

extension Layout {
    /// Every rule that only a real run has, beyond `problems(for:batch:devices:)`: what the planner may round or the
    /// field may do but the runtime does not.
    package func problemsOfARun(_ model: Model) -> [PlanProblem] {
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
            if tensor > 1 {
                refuse(
                    "layout.tensor", "\(tensor)",
                    "must be 1 with model.moe: the runtime spreads experts over data and "
                        + "context ranks", "raise layout.expert instead")
            } else if data * context % expert != 0 {
                refuse(
                    "layout.expert", "\(expert)", "must divide data · context \(data * context)",
                    "raise layout.data or lower layout.expert")
            }
            if expertTensor > 1 {
                refuse("layout.expertTensor", "\(expertTensor)", "must be 1: the runtime keeps an expert whole")
            }
            if moe.experts % expert != 0 {
                refuse("layout.expert", "\(expert)", "must divide model.moe.experts \(moe.experts)")
            }
        }
        if sharding != .none, shardRanks < data * context {
            refuse(
                "layout.shardGroup", "\(shardRanks)",
                "must be data · context, \(data * context), in a real run: "
                    + "the runtime shards over all of them", "remove it")
        }
        let shardsGradients = sharding == .gradients || sharding == .parameters
        if schedule.isBidirectional, shardsGradients {
            refuse(
                "layout.sharding", sharding.rawValue,
                "cannot go with \(schedule.rawValue): the two copies of a stage finish at different times",
                "use optimizer or none")
        }
        return problems
    }
}

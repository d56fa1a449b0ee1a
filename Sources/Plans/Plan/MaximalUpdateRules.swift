internal import Models
package import Reading

extension MaximalUpdate {
    /// The first reason why the rules do not say what becomes of a plan; nil: they do.
    package static func problem(_ plan: Plan) -> PlanProblem? {
        guard plan.train?.mup != nil else { return nil }
        func report(_ field: String, _ value: String, _ rule: String, _ fix: String) -> PlanProblem {
            PlanProblem(field: field, value: value, rule: rule, fix: fix)
        }
        if plan.model.tiedEmbeddings {
            return report(
                "model.tiedEmbeddings", "true", "is one table under two rules: train.mup gives the head another rate",
                "set it to false, or remove train.mup")
        }
        if plan.optimizer.name != .adamw {
            return report(
                "optimizer.name", plan.optimizer.name.rawValue, "has no rules in train.mup, which are Adam's",
                "take adamw, or remove train.mup")
        }
        if plan.model.moe != nil {
            return report(
                "model.moe", "(given)", "has no rules in train.mup, which are those of dense blocks",
                "remove train.mup")
        }
        if plan.model.tuning != nil {
            return report(
                "train.mup", "(given)", "is for models that start from random weights, all of which are trained",
                "remove it, or train all weights")
        }
        return nil
    }
}

internal import Plans
internal import Schedules

/// Which plans the runtime can run, checked before anything is allocated.
enum Runnable {
    /// Throws the first thing that stands in the way of a real run with `processes` processes.
    static func check(plan: Plan, layout: Layout, processes: Int) throws(TrainingError) {
        let model = plan.model
        func refuse(_ field: String, _ value: String, _ reason: String) -> TrainingError {
            .unsupported(field: field, value: value, reason: reason)
        }
        guard model.family == .gpt else {
            throw refuse("model.family", model.family.rawValue, "the runtime trains the gpt family so far")
        }
        guard model.mlp == .gelu else {
            throw refuse("model.mlp", model.mlp.rawValue, "the runtime's gpt blocks use gelu")
        }
        guard model.kvHeads == model.heads else {
            throw refuse("model.kvHeads", "\(model.kvHeads)", "grouped-query attention is not run yet")
        }
        guard model.heads * model.headSize == model.hidden else {
            throw refuse("model.headSize", "\(model.headSize)", "the runtime needs heads · headSize = hidden")
        }
        guard plan.precision == .fp32 else {
            throw refuse("precision", plan.precision.rawValue, "the runtime computes in fp32 so far")
        }
        for (field, degree) in [("layout.context", layout.context), ("layout.expert", layout.expert)] where degree > 1 {
            throw refuse(field, "\(degree)", "the runtime does not split this way yet; set it to 1")
        }
        if let problem = layout.problemsOfARun(model).first {
            throw .layout(problem)
        }
        guard processes == layout.devices else {
            throw .processCount(
                actual: processes, needed: layout.devices,
                layout: degrees(layout))
        }
    }

    /// The degrees whose product is the number of processes.
    private static func degrees(_ layout: Layout) -> String {
        let rare = [("tensor", layout.tensor), ("context", layout.context)].filter { $0.1 > 1 }
        return ([("pipeline", layout.pipeline), ("data", layout.data)] + rare).map { "\($0.0) \($0.1)" }
            .joined(separator: " × ")
    }
}

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
        for (field, degree) in [
            ("layout.tensor", layout.tensor), ("layout.context", layout.context), ("layout.expert", layout.expert),
        ] where degree > 1 {
            throw refuse(field, "\(degree)", "the runtime splits by pipeline and data so far; set it to 1")
        }
        guard layout.recompute == .none else {
            throw refuse("layout.recompute", layout.recompute.rawValue, "the runtime keeps all activations so far")
        }
        guard layout.sharding == .none else {
            throw refuse("layout.sharding", layout.sharding.rawValue, "the runtime does not shard yet")
        }
        guard !layout.schedule.isBidirectional else {
            throw refuse(
                "layout.schedule", layout.schedule.rawValue, "the runtime keeps one copy of a stage so far")
        }
        guard processes == layout.devices else {
            throw .processCount(
                actual: processes, needed: layout.devices,
                layout: "pipeline \(layout.pipeline) × data \(layout.data)")
        }
    }
}

internal import Schedules

/// How many micro-batches' logits the last stage holds at once.
struct HeldLogits: Sendable {
    /// Micro-batches between the forward and the backward of the head: all of them in a schedule whose forwards all come
    /// first, one otherwise.
    var pending: Double
    /// Further micro-batches whose weight gradients of the head are put off.
    var deferred: Double

    init(_ schedule: ScheduleName, _ shape: PipelineShape) {
        let backlog = schedule.headBacklog(shape)
        pending = Double(backlog.pending)
        deferred = Double(backlog.deferred)
    }
}

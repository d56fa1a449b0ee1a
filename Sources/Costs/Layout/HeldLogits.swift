internal import Schedules

/// Number of micro-batches whose logits the last stage holds at once.
struct HeldLogits: Sendable {
    /// Micro-batches between the forward and the backward of the head: all of them if the schedule runs all forwards
    /// first, else one.
    var pending: Double
    /// Additional micro-batches whose weight gradients of the head are deferred.
    var deferred: Double

    init(_ schedule: ScheduleName, _ shape: PipelineShape) {
        let backlog = schedule.headBacklog(shape)
        pending = Double(backlog.pending)
        deferred = Double(backlog.deferred)
    }
}

internal import Schedules

/// Seconds of all passes of a step by the schedule's law.
struct PipelineSpans {
    /// Seconds without messages.
    var filled: Double
    /// Seconds with messages.
    var span: Double

    /// - Parameters:
    ///   - transfer: seconds of a message.
    ///   - work: seconds of all ranks together for one micro-batch.
    ///   - forward: seconds of the slowest rank's forward of one micro-batch.
    ///   - backward: seconds of the slowest rank's backward of one micro-batch.
    ///   - weight: seconds of the part of that backward that only weight gradients need.
    @inline(__always)
    init(
        _ schedule: ScheduleName, _ shape: PipelineShape, overlapsTransfer: Bool, transfer: Double, work: Double,
        forward: Double, backward: Double, weight: Double
    ) {
        let (p, slowest) = (shape.ranks, forward + backward)
        let busy = Double(shape.microbatches) * slowest
        (filled, span) = (busy, busy)
        guard p > 1 else { return }
        var uniform = UniformTimes(forward: forward, backward: backward, backwardWeight: weight)
        let still = schedule.makespan(shape, times: uniform)
        filled = busy + (still - busy) * (work - slowest) / (Double(p - 1) * slowest)
        var waiting = uniform
        uniform.transfer = transfer
        // If the sender waits for its messages, the passes of every stage are longer by one message.
        waiting.forward += Double(shape.virtualStages) * transfer
        waiting.backward += Double(shape.virtualStages) * transfer
        var moved = schedule.makespan(shape, times: overlapsTransfer ? uniform : waiting)
        if overlapsTransfer, schedule.makespanSource == .estimate {
            // The estimate for few micro-batches is too high. Overlapped messages never delay a rank by more than
            // waiting for them would.
            moved = min(moved, schedule.makespan(shape, times: waiting))
        }
        span = filled + max(0, moved - still)
    }
}

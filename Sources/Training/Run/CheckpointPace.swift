internal import Foundation
package import MPI
internal import Numbers
package import Plans

/// The steps after which a run saves its state. With `every: auto` it saves after the second step, which shows how long a
/// checkpoint takes, and then at the interval that loses the least time (Daly 2006).
package struct CheckpointPace {
    private let settings: TrainSettings
    private let meanTimeBetweenFailures: Double?
    /// With `every: auto`, the next step to save after.
    private var next: Int
    /// Steps done when the last save began.
    private var begun = 0
    /// Time of the steps but the first, which also warms up libraries and memory.
    private var seconds = 0.0
    private var steps = -1
    /// With `every: auto`, the last interval in steps.
    private var interval = 10

    /// - Parameter start: steps done when the run begins or goes on.
    package init(_ plan: Plan, _ settings: TrainSettings, start: Int) {
        self.settings = settings
        meanTimeBetweenFailures = plan.meanTimeBetweenFailures
        next = start + 2
    }

    /// Takes in the time of a step, on every rank.
    package mutating func stepped(_ report: StepReport) {
        steps += 1
        if steps > 0 { seconds += report.seconds }
    }

    /// Whether a checkpoint is due after `done` steps; the same on every rank.
    package func isDue(after done: Int) -> Bool {
        guard settings.savesCheckpoint(after: done) else { return false }
        return settings.checkpoint?.every != nil || done >= next || done == settings.steps
    }

    /// Collective. Sets the next step to save after, once a checkpoint is on the disk. The interval counts from the step after
    /// which its save began.
    /// - Parameter saved: what it took, on rank 0.
    package mutating func saved(_ saved: SavedCheckpoint?, over world: Communicator) throws(MPIError) {
        guard let checkpoint = settings.checkpoint, checkpoint.every == nil else { return }
        var interval = 1.0
        if let saved, let between = meanTimeBetweenFailures, steps > 0 {
            let wanted = CheckpointInterval.seconds(
                checkpoint: saved.blocked, meanTimeBetweenFailures: between)
            // A checkpoint that is written beside the run must be on the disk before the next begins.
            interval = max(wanted, saved.seconds) / (seconds / Double(steps))
        }
        let steps = try world.broadcast(Int64(Int(saturating: max(1, interval.rounded()))), from: 0)
        self.interval = Int(steps)
        let (after, isFar) = begun.addingReportingOverflow(Int(steps))
        next = isFar ? .max : after
    }

    /// A save that had begun has failed, and is skipped: the next is due as if it had not.
    /// - Parameter done: steps done.
    /// - Returns: the steps after which the next is due.
    package mutating func skipped(after done: Int) -> Int {
        guard let every = settings.checkpoint?.every else {
            let (after, isFar) = max(begun, done).addingReportingOverflow(interval)
            next = isFar ? .max : after
            return min(next, settings.steps)
        }
        let (after, isFar) = (done / every * every).addingReportingOverflow(every)
        return isFar ? settings.steps : min(after, settings.steps)
    }

    /// A save begins after `done` steps. None is due until `saved` has been called.
    package mutating func began(after done: Int) {
        begun = done
        if settings.checkpoint?.every == nil { next = .max }
    }
}

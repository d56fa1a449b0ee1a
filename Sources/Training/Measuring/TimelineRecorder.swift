package import Schedules

/// The measured timeline of a rank. Recording a span is two clock reads and an append to reserved memory.
package final class TimelineRecorder {
    /// This rank's clock minus rank 0's, seconds.
    package var clockOffset = 0.0
    private(set) package var spans: [Timeline.Span] = []
    /// Seconds of compute of this rank since the last `clear`.
    private(set) package var computeSeconds = 0.0

    /// The action that is being computed, for the communication inside it.
    private var current: Action?
    /// Where the thread that watches sees what the rank is at.
    package var progress: RunProgress?
    /// The ranks of the job that a micro-batch travels through, by their place in the pipeline.
    var pipelineRanks: [Int] = []

    package init(expectedSpans: Int) { spans.reserveCapacity(expectedSpans) }

    /// Seconds of this machine's monotonic clock, shifted to rank 0's.
    package func now() -> Double { MonotonicClock.seconds() - clockOffset }

    /// Runs `body`, the computation of an action, and adds its span.
    func compute<Result, Failure: Error>(
        _ action: Action, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        current = action
        progress?.note(.computing)
        defer { current = nil }
        let start = now()
        let result = try body()
        record(.compute, action, since: start)
        return result
    }

    /// Adds communication that holds up the action being computed, and that began at `start` on this rank's own clock.
    /// Communication between actions is not added.
    func recordPart(since start: Double) {
        progress?.mark()
        guard let current else { return }
        let end = MonotonicClock.seconds()
        spans.append(
            Timeline.Span(.collective, action: current, start: start - clockOffset, end: end - clockOffset))
    }

    /// What was recorded so far.
    var mark: (spans: Int, computeSeconds: Double) { (spans.count, computeSeconds) }

    /// Forgets what was recorded since.
    func goBack(to mark: (spans: Int, computeSeconds: Double)) {
        spans.removeLast(max(0, spans.count - mark.spans))
        computeSeconds = mark.computeSeconds
    }

    package func clear() {
        spans.removeAll(keepingCapacity: true)
        computeSeconds = 0
    }

    /// Adds a span that began at `start` and ends now.
    /// - Returns: its end.
    @discardableResult
    package func record(
        _ activity: Timeline.Activity, _ action: Action? = nil, since start: Double, bytes: Double = 0, peer: Int = -1
    ) -> Double {
        let end = now()
        spans.append(Timeline.Span(activity, action: action, start: start, end: end, bytes: bytes, peer: peer))
        if activity == .compute { computeSeconds += end - start }
        progress?.mark()
        return end
    }

    /// The rank begins to wait for a message of the pipeline.
    /// - Parameter peer: place in the pipeline of the rank that sends it.
    func awaits(peer: Int) {
        progress?.note(.receiving, peer: pipelineRanks.indices.contains(peer) ? pipelineRanks[peer] : nil)
    }

    /// The rank begins to wait for what all ranks do together.
    func awaitsAll() { progress?.note(.reducing) }
}

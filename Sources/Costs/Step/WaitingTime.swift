internal import Plans

/// Waiting time of the ranks of a pipeline for the slowest node, for one micro-batch. Messages are not slower on that
/// node.
package struct WaitingTime: Sendable {
    /// Seconds of a micro-batch at the pace of the slowest node.
    var pace = 0.0
    /// Seconds of a micro-batch on the rank with the most work.
    var most = 0.0
    /// Seconds of a micro-batch on the mean node of the ranks that set the pace.
    var pacing = 0.0
    /// Number of nodes of the ranks that set the pace.
    var nodes = 1
    private let microbatches: Double

    package init(_ work: LayoutWork) {
        microbatches = Double(work.m)
        let slowest = SlowestNode(work.plan, pipeline: work.p, variation: work.framework.nodeVariation)
        for kind in work.shares.kinds {
            let seconds = work.times(of: kind.share).withoutMessages
            let pace = slowest.pace(self.pace, or: seconds, ranks: kind.count)
            if pace > self.pace { (pacing, nodes) = (seconds, slowest.count(ranks: kind.count)) }
            self.pace = pace
            most = max(most, seconds)
        }
    }

    /// Seconds that a step waits for the slowest node.
    package var seconds: Double { microbatches * (pace - most) }
}

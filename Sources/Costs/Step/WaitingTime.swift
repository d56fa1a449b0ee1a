internal import Plans

/// How long the ranks of a pipeline wait for the slowest node, for one micro-batch. Messages are no slower there.
package struct WaitingTime: Sendable {
    /// Seconds of a micro-batch at the pace of the slowest node.
    var pace = 0.0
    /// Seconds of a micro-batch on the rank with the most work.
    var most = 0.0
    /// Seconds of a micro-batch on the ranks that set the pace, on their mean node.
    var pacing = 0.0
    /// Nodes of the ranks that set the pace.
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

    /// Seconds that a step waits.
    package var seconds: Double { microbatches * (pace - most) }
}

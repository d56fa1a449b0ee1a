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
        var slowest = SlowestNode(work.plan, pipeline: work.p, variation: work.framework.nodeVariation)
        for (index, kind) in work.shares.kinds.enumerated() {
            let own = work.on(kind: index)
            if work.mixed != nil {
                slowest = SlowestNode(own.plan, pipeline: work.p, variation: work.framework.nodeVariation)
            }
            let seconds = own.times(of: kind.share).withoutMessages
            let ranks = work.mixed == nil ? kind.count : Self.ranks(like: kind.share, seconds, work)
            let pace = slowest.pace(self.pace, or: seconds, ranks: ranks)
            if pace > self.pace { (pacing, nodes) = (seconds, slowest.count(ranks: ranks)) }
            self.pace = pace
            most = max(most, seconds)
        }
    }

    /// Ranks of all groups with equal work that takes equally long.
    private static func ranks(like share: PipelineShares.Rank, _ seconds: Double, _ work: LayoutWork) -> Int {
        work.shares.kinds.enumerated().reduce(0) { count, kind in
            let isAlike =
                kind.element.share == share
                && work.on(kind: kind.offset).times(of: kind.element.share).withoutMessages == seconds
            return isAlike ? count + kind.element.count : count
        }
    }

    /// Seconds that a step waits for the slowest node.
    package var seconds: Double { microbatches * (pace - most) }
}

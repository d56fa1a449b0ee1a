internal import Plans

/// How much longer the slowest of several nodes takes than the mean one (derived here).
///
/// Nodes differ by a share σ of their step. The ranks of a pipeline that do the same work keep the pace of the slowest
/// of their nodes, the expected maximum of n normal draws: σ·√(2 ln n). Ranks with less work have time to spare; filling
/// and draining cross every rank once, where slow and fast nodes average out.
struct SlowestNode: Sendable {
    private let variation: Double
    private let devicesPerRank: Int
    private let devicesPerNode: Int

    /// - Parameter pipeline: ranks of the pipeline, each with as many devices.
    init(_ plan: Plan, pipeline: Int, variation: Double) {
        devicesPerNode = max(1, plan.cluster.devicesPerNode)
        devicesPerRank = max(1, plan.devices / max(1, pipeline))
        self.variation = plan.devices > devicesPerNode ? variation : 0
    }

    /// Share by which the slowest node of `ranks` pipeline ranks exceeds the mean; zero on one node.
    @inline(__always)
    func share(ranks: Int) -> Double {
        guard variation > 0 else { return 0 }
        let nodes = (ranks * devicesPerRank + devicesPerNode - 1) / devicesPerNode
        return nodes > 1 ? variation * (2 * logarithm(Double(nodes))).squareRoot() : 0
    }

    /// Seconds of one micro-batch at the pace of the slowest node, beyond those of the rank with the most work.
    struct Pace {
        private(set) var most = 0.0
        private var slowest = 0.0
        var waiting: Double { slowest - most }

        /// - Parameters:
        ///   - seconds: of one micro-batch on each of `ranks` ranks.
        @inline(__always)
        mutating func add(_ seconds: Double, ranks: Int, _ nodes: SlowestNode) {
            most = max(most, seconds)
            slowest = max(slowest, seconds * (1 + nodes.share(ranks: ranks)))
        }
    }
}

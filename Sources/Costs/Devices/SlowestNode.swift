internal import Foundation
internal import Plans

/// Seconds of the slowest of several nodes, compared with the mean node (derived here).
///
/// The step times of nodes have a standard deviation of σ, as a fraction of the step. Pipeline ranks with equal work
/// keep the pace of the slowest of their n nodes, the expected maximum of n normal draws: σ·√(2 ln n). Ranks with less
/// work have slack. Filling and draining cross every rank once, so slow and fast nodes average out there.
struct SlowestNode: Sendable {
    private let variation: Double
    private let devicesPerRank: Int
    private let devicesPerNode: Int

    /// - Parameter pipeline: number of pipeline ranks, which all have the same number of devices.
    init(_ plan: Plan, pipeline: Int, variation: Double) {
        devicesPerNode = max(1, plan.cluster.devicesPerNode)
        devicesPerRank = max(1, plan.devices / max(1, pipeline))
        self.variation = variation
    }

    /// Number of nodes of `ranks` pipeline ranks.
    @inline(__always)
    func count(ranks: Int) -> Int { max(0, ranks * devicesPerRank - 1) / devicesPerNode + 1 }

    /// Seconds of the slowest node among the nodes of `ranks` pipeline ranks, for each second of their mean node.
    func slowest(ranks: Int) -> Double {
        let nodes = count(ranks: ranks)
        return 1 + (nodes > 1 ? variation * (2 * log(Double(nodes))).squareRoot() : 0)
    }

    /// The larger of `pace` and the seconds of the slowest node among the nodes of `ranks` pipeline ranks, whose mean
    /// node takes `seconds`.
    func pace(_ pace: Double, or seconds: Double, ranks: Int) -> Double { max(pace, seconds * slowest(ranks: ranks)) }
}

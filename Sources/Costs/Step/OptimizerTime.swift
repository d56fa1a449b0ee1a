internal import Plans

/// Seconds of a step's update: the optimizer, and the all-reduce of the gradient norm before it.
package struct OptimizerTime: Sendable {
    /// Seconds of the optimizer on the slowest rank, with which the step ends.
    package private(set) var seconds = 0.0
    /// Seconds of the all-reduce of the gradient norm over all devices.
    package let gradientNorm: Double
    /// The kind of rank whose update takes longest, in the order of `PipelineShares.kinds`. Other ranks may hold more
    /// parameters, since experts can be sharded over more ranks than other parameters, or over fewer.
    private(set) var slowestKind = 0

    package init(_ work: LayoutWork) {
        gradientNorm = work.device.groups.all.allReduce(bytes: 4)
        var most = -1.0
        for kind in work.shares.kinds.indices {
            let seconds = Self.seconds(of: work.shares.kinds[kind].share, work)
            if seconds > most { (most, slowestKind) = (seconds, kind) }
        }
        seconds = max(0, most)
    }

    /// Seconds of Adam on one rank. Adam reads the gradient and three fp32 values and writes three (and the
    /// half-precision weight if one is kept). The gradient is also read for its norm and zeroed. Memory-bound.
    private static func seconds(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        let (layout, state, rates) = (work.layout, work.state, work.rates)
        let (held, experts) = (work.denseParameters(of: share), work.expertParameters(of: share))
        let sharded = held / Double(layout.shardRanks) + experts / Double(work.device.expertShardGroup.size)
        let owned = layout.sharding == .none ? held + experts : sharded
        let kept = layout.sharding == .gradients || layout.sharding == .parameters ? sharded : held + experts
        let step = (state.gradient + Double(CostConstants.adamBytes) + state.writtenCopy) * owned
        let norm = state.gradient * owned
        let zero = state.gradient * kept
        return rates.framework.optimizer * (rates.memory(step) + rates.memory(norm) + rates.memory(zero))
    }
}

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
        if let mixed = work.mixed {
            gradientNorm = mixed.works.reduce(0) { max($0, $1.device.groups.all.allReduce(bytes: 4)) }
        } else {
            gradientNorm = work.device.groups.all.allReduce(bytes: 4)
        }
        var most = -1.0
        for kind in work.shares.kinds.indices {
            let seconds = Self.seconds(of: work.shares.kinds[kind].share, work.on(kind: kind))
            if seconds > most { (most, slowestKind) = (seconds, kind) }
        }
        seconds = max(0, most)
    }

    /// Seconds of the update on one rank. It reads the gradient, reads and writes moments and weights (and writes the
    /// half-precision weight if one is kept beside them). The gradient is also read for its norm and zeroed.
    /// Memory-bound, except for the products of matrices' updates.
    private static func seconds(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        let (layout, state, rates) = (work.layout, work.state, work.rates)
        let (held, experts) = (work.trainedDense(share), work.trainedExperts(share))
        let sharded = held / Double(layout.shardRanks) + experts / Double(work.device.expertShardGroup.size)
        let owned = work.owned(share)
        let kept = layout.sharding == .gradients || layout.sharding == .parameters ? sharded : held + experts
        let matrices = work.matrices
        let own = (1 - layout.offloadedOptimizer) * owned
        let step =
            (state.gradient + state.moved + state.writtenCopy) * own + (matrices?.movedBytes(of: share, work) ?? 0)
        // Gradients on the host are read and zeroed there.
        let isHere: Double = layout.offloadsGradients ? 0 : 1
        let norm = isHere * state.gradient * owned
        let zero = isHere * state.gradient * kept
        let software = rates.framework.optimizer
        var update = software * (rates.memory(step) + rates.memory(norm) + rates.memory(zero))
        if let host = HostStep(owned: owned, work) {
            let device = software * rates.memory(step)
            update += host.seconds(beside: device) - device
        }
        let casts = rates.memory(LowPrecision.castBytes(rates) * LowPrecision.castParameters(of: share, work))
        return update + casts + (matrices?.seconds(of: share, work) ?? 0)
    }
}

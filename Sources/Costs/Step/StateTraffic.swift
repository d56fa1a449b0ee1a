internal import Models
internal import Plans

/// Bytes that one device sends in a step for the parameters that it holds, by rings.
package struct StateTraffic: Sendable {
    /// Bytes of gradient reductions within the shard group.
    package var gradients = 0.0
    /// Bytes of weights, or of gradient sums, that are gathered within the shard group.
    package var weights = 0.0
    /// Half of the bytes of the all-reduce among the ranks that hold the same shard: those of its reduce-scatter.
    package var replicas = 0.0
    /// The other half; or the bytes in which those ranks gather the weights that they stepped.
    package var replicaWeights = 0.0

    /// Bytes for `held` parameters, sharded over `shards` ranks, with `replicas` ranks for each shard.
    private init(_ held: Double, low: Double, shards: Int, replicas: Int, _ work: LayoutWork) {
        let exchange = GradientExchange(of: held, low: low, shards: shards, work)
        let reductions = GradientExchange.perStep(work)
        // Fully sharded weights are gathered for the forward and for the backward.
        let gathers = work.layout.sharding == .parameters ? 2 * reductions : 1
        gradients = reductions * (exchange.scattered + exchange.summed) * Ring.sent(shards)
        weights = (gathers * exchange.gathered + reductions * exchange.summed) * Ring.sent(shards)
        self.replicas = reductions * exchange.replicated * Ring.sent(replicas)
        replicaWeights =
            work.device.shardsOuter
            ? work.state.weight * held / Double(shards) * Ring.sent(replicas) : self.replicas
    }

    /// Bytes that a device of `rank` sends for its parameters, routed experts excluded.
    static func dense(rank: Int, _ work: LayoutWork) -> StateTraffic {
        let (share, device, parts) = (work.shares.ranks[rank], work.device, work.parts)
        let (shards, replicas) = (device.shardGroup.size, device.replicaGroup.size)
        let low = LowPrecision.parameters(of: share, work).dense
        guard work.layout.sharding == .parameters else {
            return StateTraffic(work.denseParameters(of: share), low: low, shards: shards, replicas: replicas, work)
        }
        // The embedding is gathered for its forward only. A tied table that one rank uses at both ends is gathered for
        // each use; so is the table in which multi-token prediction looks tokens up.
        func held(_ end: End) -> Double { end.held(vocabulary: device.vocabulary, tensor: device.tensor) }
        let embedding = share.holdsEmbedding ? held(parts.embedding) : 0
        let head = share.holdsHead ? held(parts.head) : 0
        let lookups = share.holdsHead && work.model.mtp != nil ? work.tableParameters : 0
        var blocks = 0.0
        for (block, count) in zip(parts.blocks, share.blocks) { blocks += Double(count) * device.held(of: block).dense }
        var traffic = StateTraffic(
            blocks + embedding + head + lookups, low: low, shards: shards, replicas: replicas, work)
        traffic.weights -=
            GradientExchange.perStep(work) * work.state.weight * (embedding + lookups) * Ring.sent(shards)
        return traffic
    }

    /// Bytes that a device of `rank` sends for its routed experts.
    static func experts(rank: Int, _ work: LayoutWork) -> StateTraffic {
        let device = work.device
        return StateTraffic(
            work.expertParameters(of: work.shares.ranks[rank]),
            low: LowPrecision.parameters(of: work.shares.ranks[rank], work).experts,
            shards: device.expertShardGroup.size,
            replicas: device.expertReplicaGroup.size, work)
    }
}

/// Ring collectives.
enum Ring {
    /// Fraction of a tensor that a rank of a ring of `size` sends in an all-gather, a reduce-scatter, or half of an
    /// all-reduce.
    static func sent(_ size: Int) -> Double { Double(size - 1) / Double(size) }
}

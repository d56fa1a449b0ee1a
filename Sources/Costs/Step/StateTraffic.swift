internal import Models
internal import Plans

/// Bytes that one device sends in a step for the parameters it holds, by rings.
struct StateTraffic {
    /// Reductions of gradients, to the ranks that hold the other shards.
    var gradients = 0.0
    /// Weights (or sums) that come back from the ranks that hold the other shards.
    var weights = 0.0
    /// Half of the all-reduce among the ranks that hold the same shard.
    var replicas = 0.0

    /// Bytes for `held` parameters, sharded over `shards` ranks with `replicas` ranks for each shard.
    private init(_ held: Double, shards: Int, replicas: Int, _ work: LayoutWork) {
        let exchange = GradientExchange(of: held, shards: shards, work)
        let reductions = GradientExchange.perStep(work)
        // Fully sharded weights are gathered for the forward and for the backward.
        let gathers = work.layout.sharding == .parameters ? 2 * reductions : 1
        gradients = reductions * (exchange.scattered + exchange.summed) * Ring.sent(shards)
        weights = (gathers * exchange.gathered + reductions * exchange.summed) * Ring.sent(shards)
        self.replicas = reductions * exchange.replicated * Ring.sent(replicas)
    }

    /// Bytes that a device of `rank` sends for all its parameters but routed experts.
    static func dense(rank: Int, _ work: LayoutWork) -> StateTraffic {
        let (share, device, parts) = (work.shares.ranks[rank], work.device, work.parts)
        let (shards, replicas) = (device.shardGroup.size, device.replicaGroup.size)
        guard work.layout.sharding == .parameters else {
            return StateTraffic(work.denseParameters(of: share), shards: shards, replicas: replicas, work)
        }
        // The embedding is gathered for its forward alone; a tied table on one rank once for each use.
        let ends = ShardedEnds(parts, device)
        let (embedding, head) = (share.holdsEmbedding ? ends.embedding : 0, share.holdsHead ? ends.head : 0)
        let blocks =
            Double(share.layers - share.mixtures) * device.held(of: parts.dense).dense
            + Double(share.mixtures) * device.held(of: parts.block(isMixture: true)).dense
        var traffic = StateTraffic(blocks + embedding + head, shards: shards, replicas: replicas, work)
        traffic.weights -= GradientExchange.perStep(work) * work.state.weight * embedding * Ring.sent(shards)
        return traffic
    }

    /// Bytes that a device of `rank` sends for its routed experts.
    static func experts(rank: Int, _ work: LayoutWork) -> StateTraffic {
        let device = work.device
        return StateTraffic(
            work.expertParameters(rank: rank), shards: device.expertShardGroup.size,
            replicas: device.expertReplicaGroup.size, work)
    }
}

/// Ring collectives.
enum Ring {
    /// Share of a tensor that a rank of a ring of `size` sends in a gathering, a scattering, or half of an all-reduce.
    static func sent(_ size: Int) -> Double { Double(size - 1) / Double(size) }
}

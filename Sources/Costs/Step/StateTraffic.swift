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
    /// - Parameter frozen: bytes of weights without gradients, which fully sharded parameters gather.
    private init(_ held: Double, low: Double, frozen: Double = 0, shards: Int, replicas: Int, _ work: LayoutWork) {
        let exchange = GradientExchange(of: held, low: low, frozen: frozen, shards: shards, work)
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
            return StateTraffic(work.trainedDense(share), low: low, shards: shards, replicas: replicas, work)
        }
        guard parts.tuned == nil else { return tuned(share, shards: shards, replicas: replicas, work) }
        // The embedding is gathered for its forward only. A tied table that one rank uses at both ends is gathered for
        // each use; so is the table in which multi-token prediction looks tokens up.
        func held(_ end: End) -> Double { end.held(vocabulary: device.vocabulary, tensor: device.tensor) }
        let embedding = share.holdsEmbedding ? held(parts.embedding) : 0
        let lookedUp = parts.embedding.looksUp ? embedding : 0
        let head = share.holdsHead ? held(parts.head) : 0
        let lookups = share.holdsHead && work.model.mtp != nil ? work.tableParameters : 0
        var blocks = 0.0
        for (block, count) in zip(parts.blocks, share.blocks) { blocks += Double(count) * device.held(of: block).dense }
        var traffic = StateTraffic(
            blocks + embedding + head + lookups, low: low, shards: shards, replicas: replicas, work)
        traffic.weights -=
            GradientExchange.perStep(work) * work.state.weight * (lookedUp + lookups) * Ring.sent(shards)
        return traffic
    }

    /// `dense` for fully sharded parameters of which training does not change all.
    private static func tuned(
        _ share: PipelineShares.Rank, shards: Int, replicas: Int, _ work: LayoutWork
    ) -> StateTraffic {
        let (device, parts, w) = (work.device, work.parts, work.state.weight)
        var (trained, stored) = (0.0, 0.0)
        for (block, count) in zip(parts.blocks, share.blocks) {
            trained += Double(count) * device.held(block.tuned?.trained ?? block.parameters).dense
            stored += Double(count) * device.storedBytes(of: block, elementBytes: w).dense
        }
        var once = 0.0
        func add(_ end: End, isOnce: Bool) {
            let held = w * end.held(vocabulary: device.vocabulary, tensor: device.tensor)
            trained += end.trained(vocabulary: device.vocabulary, tensor: device.tensor)
            stored += held
            if isOnce { once += held }
        }
        if share.holdsEmbedding { add(parts.embedding, isOnce: true) }
        if share.holdsHead { add(parts.head, isOnce: false) }
        // Blocks without a backward are gathered for their forward only.
        for (block, count) in zip(parts.blocks, share.blocks) where block.tuned?.passesGradient == false {
            once += Double(count) * device.storedBytes(of: block, elementBytes: w).dense
        }
        var traffic = StateTraffic(
            trained, low: 0, frozen: stored - w * trained, shards: shards, replicas: replicas, work)
        traffic.weights -= GradientExchange.perStep(work) * once * Ring.sent(shards)
        return traffic
    }

    /// Bytes that a device of `rank` sends for its routed experts.
    static func experts(rank: Int, _ work: LayoutWork) -> StateTraffic {
        let (device, share) = (work.device, work.shares.ranks[rank])
        let isGathered = work.layout.sharding == .parameters
        var traffic = StateTraffic(
            work.trainedExperts(share), low: LowPrecision.parameters(of: share, work).experts,
            frozen: isGathered ? work.frozenBytes(share).experts : 0,
            shards: device.expertShardGroup.size, replicas: device.expertReplicaGroup.size, work)
        // Blocks without a backward are gathered for their forward only.
        for (block, count) in zip(work.parts.blocks, share.blocks)
        where isGathered && block.tuned?.passesGradient == false {
            traffic.weights -=
                GradientExchange.perStep(work) * Double(count)
                * device.storedBytes(of: block, elementBytes: work.state.weight).experts
                * Ring.sent(device.expertShardGroup.size)
        }
        return traffic
    }
}

/// Ring collectives.
enum Ring {
    /// Fraction of a tensor that a rank of a ring of `size` sends in an all-gather, a reduce-scatter, or half of an
    /// all-reduce.
    static func sent(_ size: Int) -> Double { Double(size - 1) / Double(size) }
}

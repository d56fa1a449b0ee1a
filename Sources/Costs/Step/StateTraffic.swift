internal import Models
internal import Plans
internal import Schedules

/// What the ranks that hold the same parameters pass round for one reduction of their gradients and one gathering of their
/// weights, in bytes of whole tensors. Times and bytes both come from it.
struct StateExchange {
    /// Added up on every rank of a set of shards: a sharded optimizer of software that does not scatter.
    var summed = 0.0
    /// Added up and scattered over them.
    var scattered = 0.0
    /// Added up among the ranks that hold the same shard.
    var replicated = 0.0
    /// Weights gathered from the ranks of a set.
    var gathered = 0.0
}

/// Bytes that one device sends for the parameters it holds, by rings.
struct StateTraffic {
    /// To the ranks that hold the other shards: reductions of gradients, and what brings weights (or sums) back.
    var gradients = 0.0
    var weights = 0.0
    /// Half of the all-reduce among the ranks that hold the same shard.
    var replicas = 0.0
}

extension LayoutWork {
    /// Whether gradients are scattered over the ranks that shard them; they are added up on every one where not.
    var scattersGradients: Bool {
        switch layout.sharding {
        case .none: false
        case .optimizer: rates.framework.scattersGradients
        case .gradients, .parameters: true
        }
    }

    /// One reduction and one gathering of `held` parameters over `shards` ranks.
    func exchange(of held: Double, shards: Int) -> StateExchange {
        var exchange = StateExchange()
        let gradients = state.gradient * held
        if scattersGradients {
            exchange.scattered = gradients
            exchange.replicated = gradients / Double(max(1, shards))
        } else {
            exchange.summed = gradients
            exchange.replicated = gradients
        }
        if layout.sharding != .none { exchange.gathered = state.weight * held }
        return exchange
    }

    /// How often a rank's gradients are reduced in a step: sharded ones after every micro-batch, of those that enter a
    /// pipeline from both ends half on each of a rank's stages.
    var reductions: Double {
        layout.sharding == .gradients || layout.sharding == .parameters ? Double(m) * shares.passShare : 1
    }

    /// Bytes a rank sends in a step for all its parameters but routed experts.
    func denseTraffic(rank: Int) -> StateTraffic {
        let share = shares.ranks[rank]
        let (shards, replicas) = (shard.shardGroup.size, shard.replicaGroup.size)
        guard layout.sharding == .parameters else {
            return stateTraffic(denseParameters(of: share), shards: shards, replicas: replicas)
        }
        // The embedding is gathered for its forward alone; a tied table on one rank once for each use.
        let ends = ShardedEnds(parts, shard)
        let (embedding, head) = (share.holdsEmbedding ? ends.embedding : 0, share.holdsHead ? ends.head : 0)
        let blocks =
            Double(share.layers - share.mixtures) * shard.held(of: parts.dense).dense
            + Double(share.mixtures) * shard.held(of: parts.block(isMixture: true)).dense
        var traffic = stateTraffic(blocks + embedding + head, shards: shards, replicas: replicas)
        traffic.weights -= reductions * state.weight * embedding * Self.ring(shards)
        return traffic
    }

    /// Bytes a rank sends in a step for its routed experts.
    func expertTraffic(rank: Int) -> StateTraffic {
        stateTraffic(
            expertParameters(rank: rank), shards: shard.expertShardGroup.size,
            replicas: shard.expertReplicaGroup.size)
    }

    /// Share of a tensor that a rank of a ring of `size` sends for each half of an all-reduce.
    static func ring(_ size: Int) -> Double { Double(size - 1) / Double(size) }

    private func stateTraffic(_ held: Double, shards: Int, replicas: Int) -> StateTraffic {
        let exchange = exchange(of: held, shards: shards)
        // Fully sharded weights are gathered for the forward and for the backward.
        let gathers = layout.sharding == .parameters ? 2 * reductions : 1
        var traffic = StateTraffic()
        traffic.gradients = reductions * (exchange.scattered + exchange.summed) * Self.ring(shards)
        traffic.weights = (gathers * exchange.gathered + reductions * exchange.summed) * Self.ring(shards)
        traffic.replicas = reductions * exchange.replicated * Self.ring(replicas)
        return traffic
    }

    // MARK: Between pipeline ranks

    /// Whether the first and the last rank both hold a tied table and add up its gradients. In a bidirectional pipeline
    /// it is among the copies that they add up.
    var addsTiedTable: Bool { model.tiedEmbeddings && headRank > 0 && !layout.schedule.isBidirectional }

    /// Bytes of a tied table's gradient on one device.
    var tiedBytes: Double { state.gradient * Double(vocabulary) * Double(model.hidden) / shard.tensor }

    /// Bytes of gradients that a rank of a bidirectional pipeline adds up with the rank that holds its stages' other
    /// copies: its share once the ranks with the same parameters have reduced, those of the data-parallel group, of experts
    /// those that hold a copy.
    func copiesBytes(of share: PipelineShares.Rank) -> (dense: Double, experts: Double) {
        guard layout.schedule.isBidirectional, p > 1 else { return (0, 0) }
        let (ranks, copies) = (Double(layout.data * layout.context), Double(ExpertGrid(layout).copies))
        return (
            state.gradient * denseParameters(of: share) / ranks, state.gradient * expertParameters(of: share) / copies
        )
    }

    /// Bytes that a device of `rank` sends to the rank `with` of its pipeline to add up gradients they both hold: of two
    /// ranks' all-reduce as much as the tensor has. Half of it counts as gradients, half as what comes back.
    func pairTraffic(rank: Int) -> (with: Int, dense: Double, experts: Double)? {
        if addsTiedTable, rank == 0 || rank == headRank { return (rank == 0 ? headRank : 0, tiedBytes, 0) }
        guard layout.schedule.isBidirectional, p > 1 else { return nil }
        let copies = copiesBytes(of: shares.ranks[rank])
        return (p - 1 - rank, copies.dense, copies.experts)
    }
}

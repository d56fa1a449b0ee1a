internal import Plans
internal import Schedules

/// Bytes one device sends in one iteration, counted with ring algorithms; what is hidden counts too.
package struct Traffic: Hashable, Sendable {
    /// Tensor-parallel collectives of the blocks.
    package var tensor = 0.0
    /// Activations and gradients to the neighbouring pipeline ranks.
    package var pipeline = 0.0
    /// Half of the gradients' all-reduce, or their reduce-scatters; of all but routed experts.
    package var gradients = 0.0
    /// The weights' all-gathers with sharding; the all-reduce's other half without.
    package var weights = 0.0
    /// Gradients and weights of routed experts, over the ranks that hold the same experts.
    package var expertGradients = 0.0
    package var expertWeights = 0.0
    /// Context-parallel ring: keys and values forward (again where it is recomputed), twice as much backward.
    package var context = 0.0
    /// Expert-parallel all-to-alls: dispatch and combine, forward and backward.
    package var expert = 0.0
}

/// Gradients and weights that one device sends for the parameters it holds.
struct StateTraffic {
    /// To the ranks that hold the other shards, or to all replicas where nothing is sharded.
    var gradients = 0.0
    var weights = 0.0
    /// Half of the all-reduce among the ranks that hold the same shard.
    var replicas = 0.0
}

/// Blocks that the micro-batches of one iteration pass on a rank.
private struct PassedBlocks {
    var dense = 0.0
    var mixtures = 0.0
    /// Blocks whose forward runs a second time in the backward: full recomputation.
    var denseAgain = 0.0
    var mixturesAgain = 0.0
}

extension LayoutWork {
    /// Bytes a device of `rank` sends. Full recomputation repeats the forward's collectives.
    package func traffic(rank: Int) -> Traffic {
        let (t, c) = (Double(layout.tensor), Double(layout.context))
        let w = rates.elementBytes
        let passed = passedBlocks(rank: rank)
        let payload = w * shard.tokens * Double(model.hidden)
        var traffic = Traffic()
        // Ring shares of the payload: an all-reduce sends 2(t−1)/t, all-gather and reduce-scatter (t−1)/t.
        let forward = layout.sequenceParallel ? 4.0 : 2 * 2
        let backward = layout.sequenceParallel ? 6.0 : 2 * 2
        // A dense block has two pairs of them in a pass.
        let withExperts = model.moe.map { shard.collectivePairs(of: $0) / 2 } ?? 1
        let once = passed.dense + passed.mixtures * withExperts
        let again = passed.denseAgain + passed.mixturesAgain * withExperts
        traffic.tensor = (once * (forward + backward) + again * forward) * payload * (t - 1) / t
        traffic.pipeline = neighbours(of: rank).reduce(0) { $0 + Double($1.messages) } * boundaryBytes
        if let exchange = expertExchange(rank: rank) {
            let place = Placement(LayoutRanks(layout, stage: rank).expert, on: pricer.network)
            traffic.expert = place.sent(exchange, size: layout.expert).reduce(0, +)
        }
        let (dense, experts) = (denseTraffic(rank: rank), expertTraffic(rank: rank))
        (traffic.gradients, traffic.weights) = (dense.gradients + dense.replicas, dense.weights + dense.replicas)
        (traffic.expertGradients, traffic.expertWeights) = (
            experts.gradients + experts.replicas, experts.weights + experts.replicas
        )
        let keysAndValues = Double(model.keyWidth + model.valueWidth) / t
        let rings = 3 * (passed.dense + passed.mixtures) + passed.denseAgain + passed.mixturesAgain
        traffic.context = rings * (c - 1) * w * shard.tokens * keysAndValues
        return traffic
    }

    /// Expert-parallel exchanges of one iteration: forward, backward and what is recomputed.
    func expertExchange(rank: Int) -> ExpertExchange? {
        guard let moe = model.moe else { return nil }
        let (dispatch, combine) = ExpertTimes.exchanges(model: model, moe: moe, rates: rates, shard: shard)
        let passed = passedBlocks(rank: rank)
        return (2 * passed.mixtures + passed.mixturesAgain) * (dispatch + combine)
    }

    // MARK: Gradients and weights

    /// Bytes a step for all parameters but routed experts.
    func denseTraffic(rank: Int) -> StateTraffic {
        stateTraffic(denseParameters(rank: rank), ranks: layout.data * layout.context, shards: layout.shardRanks)
    }

    /// Bytes a step for routed experts.
    func expertTraffic(rank: Int) -> StateTraffic {
        let grid = ExpertGrid(layout)
        return stateTraffic(expertParameters(rank: rank), ranks: grid.copies, shards: grid.shardedCopies(layout))
    }

    /// Bytes a step for `held` parameters that `ranks` hold copies of, in sets of `shards` where they are sharded.
    /// Sharded gradients are scattered (and added up over the sets) after every micro-batch; sharded parameters are
    /// gathered twice for each.
    private func stateTraffic(_ held: Double, ranks: Int, shards: Int) -> StateTraffic {
        func ring(_ size: Int) -> Double { Double(size - 1) / Double(size) }
        let scatters = layout.sharding == .gradients || layout.sharding == .parameters ? Double(m) : 1
        let gathers = layout.sharding == .parameters ? 2 * Double(m) : 1
        let back = layout.sharding == .none ? state.gradient : state.weight
        let among = layout.sharding == .none ? ranks : max(1, shards)
        var traffic = StateTraffic()
        traffic.gradients = scatters * state.gradient * held * ring(among)
        traffic.weights = gathers * back * held * ring(among)
        traffic.replicas = scatters * state.gradient * held / Double(among) * ring(max(1, ranks / among))
        return traffic
    }

    // MARK: Passes

    /// The stages of a rank, how many micro-batches pass each there, and the ranks of the stages of those micro-batches:
    /// where they come from both ends, of an odd number one more from one end.
    private func passes(of rank: Int) -> [(stage: Int, microbatches: Int, stageToRank: [Int])] {
        let placement = layout.schedule.placement(shape)
        guard let reverse = placement.reverseStageToRank else {
            return placement.stageToRank.indices.filter { placement.stageToRank[$0] == rank }.map {
                ($0, m, placement.stageToRank)
            }
        }
        let first = min(m, max(0, placement.split))
        return [(placement.stageToRank, first), (reverse, m - first)].flatMap { stageToRank, count in
            stageToRank.indices.filter { stageToRank[$0] == rank }.map { ($0, count, stageToRank) }
        }
    }

    private func passedBlocks(rank: Int) -> PassedBlocks {
        var passed = PassedBlocks()
        for (stage, microbatches, _) in passes(of: rank) {
            let (blocks, count) = (shares.stages[stage], Double(microbatches))
            passed.dense += count * (blocks.dense + blocks.recomputed)
            passed.mixtures += count * (blocks.mixtures + blocks.recomputedMixtures)
            guard layout.recompute == .full else { continue }
            let isPartial = layout.recomputeLayers != nil
            passed.denseAgain += count * (isPartial ? blocks.recomputed : blocks.dense)
            passed.mixturesAgain += count * (isPartial ? blocks.recomputedMixtures : blocks.mixtures)
        }
        return passed
    }

    /// The pipeline ranks to which `rank` sends, and its messages to each in one iteration: activations go on and gradients
    /// come back, where the neighbouring stage is another rank's.
    func neighbours(of rank: Int) -> [(rank: Int, messages: Int)] {
        var messages = [Int](repeating: 0, count: p)
        for (stage, microbatches, stageToRank) in passes(of: rank) {
            for next in [stage - 1, stage + 1] where stageToRank.indices.contains(next) && stageToRank[next] != rank {
                messages[stageToRank[next]] += microbatches
            }
        }
        return messages.enumerated().compactMap { $1 > 0 ? ($0, $1) : nil }
    }
}

internal import Models
internal import Plans
internal import Schedules

/// Bytes one device sends in one iteration, counted with ring algorithms; what is hidden counts too.
package struct Traffic: Hashable, Sendable {
    /// Tensor-parallel collectives of blocks, embedding, head and loss, and gathering messages that were sent in parts.
    package var tensor = 0.0
    /// Activations and gradients to the neighbouring pipeline ranks.
    package var pipeline = 0.0
    /// Half of the gradients' all-reduces, or their reduce-scatters; of all but routed experts. A tied table's and those
    /// between the copies of a bidirectional pipeline are among them.
    package var gradients = 0.0
    /// The weights' all-gathers with sharding, and the all-reduces' other half.
    package var weights = 0.0
    /// Gradients and weights of routed experts, over the ranks that hold the same experts.
    package var expertGradients = 0.0
    package var expertWeights = 0.0
    /// Context-parallel ring: keys and values forward (again where it is recomputed), twice as much backward.
    package var context = 0.0
    /// Expert-parallel all-to-alls: dispatch and combine, forward and backward; rows gathered and results scattered where
    /// ranks share an expert.
    package var expert = 0.0
}

/// Blocks that the micro-batches of one iteration pass on a rank.
private struct PassedBlocks {
    var dense = 0.0
    var mixtures = 0.0
    /// Blocks whose forward runs a second time in the backward: full recomputation.
    var denseAgain = 0.0
    var mixturesAgain = 0.0
    /// Micro-batches that pass the embedding, and the head.
    var embedding = 0.0
    var head = 0.0
}

extension LayoutWork {
    /// Bytes a device of `rank` sends. Full recomputation repeats the forward's collectives.
    package func traffic(rank: Int) -> Traffic {
        let passed = passedBlocks(rank: rank)
        var traffic = Traffic()
        traffic.tensor = tensorTraffic(passed) + gatheredMessages(rank: rank)
        traffic.pipeline = neighbours(of: rank).reduce(0) { $0 + Double($1.messages) } * messageBytes
        if let exchange = expertExchange(rank: rank) {
            let place = Placement(LayoutRanks(layout, stage: rank).expert, on: pricer.network)
            traffic.expert = place.sent(exchange, size: layout.expert).reduce(0, +) + pieceTraffic(rank: rank)
        }
        let (dense, experts) = (denseTraffic(rank: rank), expertTraffic(rank: rank))
        (traffic.gradients, traffic.weights) = (dense.gradients + dense.replicas, dense.weights + dense.replicas)
        (traffic.expertGradients, traffic.expertWeights) = (
            experts.gradients + experts.replicas, experts.weights + experts.replicas
        )
        if let pair = pairTraffic(rank: rank) {
            traffic.gradients += pair.dense / 2
            traffic.weights += pair.dense / 2
            traffic.expertGradients += pair.experts / 2
            traffic.expertWeights += pair.experts / 2
        }
        let core = parts.attention.core
        let keysAndValues = Double(core.keys + core.values) / shard.tensor
        let rings = 3 * (passed.dense + passed.mixtures) + passed.denseAgain + passed.mixturesAgain
        traffic.context = rings * (shard.context - 1) * rates.elementBytes * shard.tokens * keysAndValues
        return traffic
    }

    /// Bytes a rank sends to its tensor-parallel neighbours: for blocks, embedding, head and loss.
    private func tensorTraffic(_ passed: PassedBlocks) -> Double {
        let (t, w) = (shard.tensor, rates.elementBytes)
        var bytes =
            passed.embedding * shard.embeddingCollectives(hidden: model.hidden, elementBytes: w).sent(ranks: t)
            + passed.head * shard.headCollectives(hidden: model.hidden, elementBytes: w).sent(ranks: t)
        for (isMixture, count, again) in [
            (false, passed.dense, passed.denseAgain), (true, passed.mixtures, passed.mixturesAgain),
        ] where count > 0 {
            let sent = shard.collectives(parts.block(isMixture: isMixture), elementBytes: w)
            bytes += count * sent.sent(ranks: t) + again * sent.forward.sent(ranks: t)
        }
        return bytes
    }

    /// A message that tensor ranks send in parts is gathered where it arrives; as many arrive as leave.
    func gatheredMessages(rank: Int) -> Double {
        guard scattersMessages else { return 0 }
        let messages = neighbours(of: rank).reduce(0) { $0 + Double($1.messages) }
        return messages * boundaryBytes * Self.ring(layout.tensor)
    }

    /// Expert-parallel exchanges of one iteration: forward, backward and what is recomputed.
    func expertExchange(rank: Int) -> ExpertTraffic? {
        guard let moe = model.moe else { return nil }
        let ways = ExpertWays(hidden: model.hidden, moe, rates: rates, shard: shard)
        return expertPasses(rank: rank) * (ways.dispatch + ways.combine)
    }

    /// Rows gathered before the products of experts that several ranks share, and results scattered behind them.
    func pieceTraffic(rank: Int) -> Double {
        guard let moe = model.moe else { return 0 }
        let rows = ExpertWays(hidden: model.hidden, moe, rates: rates, shard: shard).shared
        return expertPasses(rank: rank) * 2 * rows * Self.ring(layout.expertTensor)
    }

    /// Passes of one iteration through blocks with experts.
    private func expertPasses(rank: Int) -> Double {
        let passed = passedBlocks(rank: rank)
        return 2 * passed.mixtures + passed.mixturesAgain
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
            if stage == 0 { passed.embedding += count }
            if stage == layers.count - 1 { passed.head += count }
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

internal import Plans

/// Bytes one device sends in one iteration, counted with ring algorithms; what is hidden counts too.
package struct Traffic: Hashable, Sendable {
    /// Tensor-parallel collectives of the blocks.
    package var tensor = 0.0
    /// Activations and gradients to the neighbouring pipeline ranks.
    package var pipeline = 0.0
    /// Half of the gradients' all-reduce, or their reduce-scatter; of all but routed experts.
    package var gradients = 0.0
    /// The weights' all-gather with a sharded optimizer; the all-reduce's other half without.
    package var weights = 0.0
    /// The same of routed experts, over the ranks that hold the same ones.
    package var expertGradients = 0.0
    package var expertWeights = 0.0
    /// Context-parallel ring: keys and values forward (again where it is recomputed), twice as much backward.
    package var context = 0.0
    /// Expert-parallel all-to-alls: dispatch and combine, forward and backward.
    package var expert = 0.0
}

extension LayoutWork {
    /// Bytes a device of `rank` sends. Full recomputation repeats the forward's collectives.
    package func traffic(rank: Int) -> Traffic {
        let (t, c) = (Double(layout.tensor), Double(layout.context))
        let w = rates.elementBytes
        let passes = Double(m) * layersPassed(rank)
        let mixtures = Double(m * rankMixtureLayers(rank)) * shares.passShare
        let payload = w * shard.tokens * Double(model.hidden)
        var traffic = Traffic()
        // Ring shares of the payload: an all-reduce sends 2(t−1)/t, all-gather and reduce-scatter (t−1)/t.
        let forward = layout.sequenceParallel ? 4.0 : 2 * 2
        let backward = layout.sequenceParallel ? 6.0 : 2 * 2
        let recomputed = recomputedShare * forward
        // A dense block has two pairs of them in a pass.
        let withExperts = model.moe.map { shard.collectivePairs(of: $0) / 2 } ?? 1
        traffic.tensor =
            (passes - mixtures + mixtures * withExperts) * (forward + backward + recomputed) * payload * (t - 1) / t
        if p > 1 {
            // A stage sends its activations on unless it is the last, its gradient back unless it is the first.
            traffic.pipeline = Double(m) * messages(rank: rank) * boundaryBytes
        }
        if let exchange = expertExchange(rank: rank) {
            let place = Placement(LayoutRanks(layout, stage: rank).expert, on: pricer.network)
            traffic.expert = place.sent(exchange, size: layout.expert).reduce(0, +)
        }
        let back = layout.sharding == .none ? state.gradient : state.weight
        func ring(_ held: Double, _ ranks: Int) -> (gradients: Double, weights: Double) {
            let share = Double(ranks - 1) / Double(ranks)
            return (state.gradient * held * share, back * held * share)
        }
        let dense = ring(denseParameters(rank: rank), layout.data * layout.context)
        let experts = ring(expertParameters(rank: rank), ExpertGrid(layout).copies)
        (traffic.gradients, traffic.weights) = dense
        (traffic.expertGradients, traffic.expertWeights) = experts
        let keysAndValues = Double(model.keyWidth + model.valueWidth) / t
        traffic.context = passes * (3 + recomputedShare) * (c - 1) * w * shard.tokens * keysAndValues
        return traffic
    }

    /// Expert-parallel exchanges of one iteration: forward, backward and what is recomputed.
    func expertExchange(rank: Int) -> ExpertExchange? {
        guard let moe = model.moe else { return nil }
        let (dispatch, combine) = ExpertTimes.exchanges(model: model, moe: moe, rates: rates, shard: shard)
        return Double(m * rankMixtureLayers(rank)) * shares.passShare * (2 + recomputedShare) * (dispatch + combine)
    }
}

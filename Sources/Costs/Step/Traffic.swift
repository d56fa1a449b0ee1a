internal import Plans

/// Bytes one device sends in one iteration, counted with ring algorithms; what is hidden counts too.
package struct Traffic: Hashable, Sendable {
    /// Tensor-parallel collectives of blocks, embedding, head and loss, and gathering messages that were sent in parts.
    package var tensor = 0.0
    /// Activations and gradients to the neighbouring pipeline ranks.
    package var pipeline = 0.0
    /// Half of the gradients' all-reduces, or their reduce-scatters, of all parameters but routed experts. Gradients of a
    /// tied table and those between the copies of a bidirectional pipeline are among them.
    package var gradients = 0.0
    /// The weights' all-gathers with sharding, and the all-reduces' other half.
    package var weights = 0.0
    /// Gradients of routed experts, over the ranks that hold the same experts.
    package var expertGradients = 0.0
    /// Weights of routed experts, over the ranks that hold the same experts.
    package var expertWeights = 0.0
    /// Context-parallel ring: keys and values forward (again where it is recomputed), twice as much backward.
    package var context = 0.0
    /// Expert-parallel all-to-alls: dispatch and combine, forward and backward; rows gathered and results scattered where
    /// ranks share an expert.
    package var expert = 0.0

    /// Bytes a device of `rank` sends. Full recomputation repeats the forward's collectives.
    package init(_ work: LayoutWork, rank: Int) {
        let sent = PassTraffic(work, rank: rank)
        tensor = sent.tensor + sent.gatheredMessages
        pipeline = sent.neighbours.reduce(0) { $0 + Double($1.messages) } * work.messageBytes
        if let exchange = sent.experts {
            let place = Placement(LayoutRanks(work.layout, stage: rank).expert, on: work.pricer.network)
            expert = place.sent(exchange, size: work.layout.expert).reduce(0, +) + sent.expertPieces
        }
        let (dense, experts) = (StateTraffic.dense(rank: rank, work), StateTraffic.experts(rank: rank, work))
        (gradients, weights) = (dense.gradients + dense.replicas, dense.weights + dense.replicas)
        (expertGradients, expertWeights) = (
            experts.gradients + experts.replicas, experts.weights + experts.replicas
        )
        if let pair = PairedGradients.sent(rank: rank, work) {
            gradients += pair.dense / 2
            weights += pair.dense / 2
            expertGradients += pair.experts / 2
            expertWeights += pair.experts / 2
        }
        context = sent.context
    }
}

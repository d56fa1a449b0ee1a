internal import Plans

/// Bytes that one device sends in one iteration, counted with ring algorithms. Hidden transfers count too.
package struct Traffic: Hashable, Sendable {
    /// Tensor-parallel collectives of blocks, embedding, head and loss, and the gathering of messages that were sent in
    /// parts.
    package var tensor = 0.0
    /// Activations and gradients sent to the neighbouring pipeline ranks.
    package var pipeline = 0.0
    /// Half of the all-reduces of gradients, or their reduce-scatters, for all parameters except routed experts. The
    /// gradients of a tied table, and those between the copies of a bidirectional pipeline, are included.
    package var gradients = 0.0
    /// The other half of the all-reduces, and with sharding the all-gathers of weights.
    package var weights = 0.0
    /// Gradients of routed experts, sent among the ranks that hold the same experts.
    package var expertGradients = 0.0
    /// Weights of routed experts, sent among the ranks that hold the same experts.
    package var expertWeights = 0.0
    /// The ring of context parallelism: keys and values in the forward, again in its recomputation, and twice as much
    /// in the backward.
    package var context = 0.0
    /// The all-to-alls of expert parallelism: dispatch and combine, forward and backward. If ranks share an expert: its
    /// rows gathered and its results scattered too.
    package var expert = 0.0

    /// Bytes that a device of `rank` sends. Full recomputation repeats the collectives of the forward.
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

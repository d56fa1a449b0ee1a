internal import Models
internal import Plans

/// Bytes that one device of a pipeline rank sends in one step, by the ranks that it sends them to; mean over the devices
/// of a group. They are counted with ring algorithms. Hidden transfers count too.
package struct Traffic: Sendable {
    /// Bytes sent to the tensor ranks: collectives of blocks, embedding, head and loss, and the gathering of messages
    /// that were sent in parts. Full recomputation repeats the collectives of the forward.
    package let tensor: Double
    /// Bytes sent to the context ranks around rings or in gatherings: keys and values in the forward, again in its recomputation, and
    /// twice as much in the backward; the states of token mixers once in every pass.
    package let context: Double
    /// Bytes of the all-to-alls in which context ranks exchange heads, over each network level from the innermost to the
    /// outermost.
    package let headExchanges: [Double]
    /// Bytes sent to the ranks that share an expert: rows gathered, and results scattered.
    package let expertPieces: Double
    /// Bytes sent to the ranks that hold the experts, if they gather one another's rows.
    package let expertGathers: Double
    /// Bytes of the all-to-alls of expert parallelism over each network level, from the innermost to the outermost:
    /// dispatch and combine, forward and backward.
    package let exchanges: [Double]
    /// Bytes of the exchanges of a vocabulary that all ranks of the pipeline divide.
    package let vocabulary: Double
    /// Activations and gradients sent to the neighbouring pipeline ranks.
    package let messages: [(rank: Int, bytes: Double)]
    /// Gradients that the rank adds up with the rank `with` of its pipeline, because both hold the same parameters.
    package let paired: (with: Int, dense: Double, experts: Double)?
    /// Gradients and weights, routed experts excluded.
    package let dense: StateTraffic
    /// Gradients and weights of routed experts.
    package let experts: StateTraffic

    package init(_ whole: LayoutWork, rank: Int) {
        let work = whole.on(rank: rank)
        let sent = PassTraffic(work, rank: rank)
        tensor = sent.tensor + sent.gatheredMessages
        context = sent.context
        vocabulary = sent.vocabulary
        expertPieces = sent.expertPieces
        expertGathers = sent.expertGathers
        messages = sent.neighbours.map { ($0.rank, Double($0.messages) * work.messageBytes) }
        let groups = LayoutRanks(work.layout, stage: rank - (work.place?.firstRank ?? 0))
        let network = work.pricer.network
        headExchanges =
            work.device.headRanks > 1
            ? Placement(groups.contextHeads, on: network).sent(
                ExpertTraffic(copies: sent.contextHeads), groups.contextHeads, on: network) : []
        exchanges =
            sent.experts.map {
                let group = sent.dispatcher.sendsOnce ? groups.dispatch : groups.expert
                return Placement(group, on: network).sent($0, group, on: network)
            } ?? []
        paired = PairedGradients.sent(rank: rank, work)
        dense = StateTraffic.dense(rank: rank, work)
        experts = StateTraffic.experts(rank: rank, work)
    }
}

extension Placement {
    /// Bytes of `exchange` that one device of `groups` sends over each level; mean over all devices. Bytes for other rails
    /// cross the node's own network too.
    fileprivate func sent(
        _ exchange: ExpertTraffic, _ groups: RankGroups, on network: [NetworkLevel]
    ) -> [Double] {
        guard groups.size > 1 else { return levels.map { _ in 0 } }
        let innermost = innermost
        var bytes = levels.enumerated().map { index, level in
            exchange.sent(
                to: level.reached / Double(groups.size),
                inside: index == innermost ? 1 - level.blocks / Double(groups.size) : nil)
        }
        if let hop = RailHop(groups, self, on: network), exchange.perNode == nil {
            bytes[0] += exchange.copies * hop.crossed
        }
        return bytes
    }
}

internal import Plans

/// Bytes that one device sends over one network in one step; mean over the devices of a group.
package struct NetworkTraffic: Hashable, Sendable {
    package var network: String
    package var bytes: Double

    package init(network: String, bytes: Double) {
        self.network = network
        self.bytes = bytes
    }

    /// Bytes that a device of `rank` sends over each of the cluster's networks, from the innermost to the outermost.
    ///
    /// Each hop of a ring counts for the network that joins its two ends. All groups of the rank's stage are included.
    package static func sent(_ work: LayoutWork, rank: Int) -> [NetworkTraffic] {
        let network = work.pricer.network
        let sent = PassTraffic(work, rank: rank)
        let ranks = LayoutRanks(work.layout, stage: rank)
        var bytes = [Double](repeating: 0, count: network.count)
        func add(_ amount: Double, _ groups: RankGroups) {
            guard groups.size > 1, amount > 0 else { return }
            for (index, level) in Placement(groups, on: network).levels.enumerated() {
                bytes[index] += amount * level.ringShare
            }
        }
        add(sent.tensor + sent.gatheredMessages, ranks.tensor)
        add(sent.expertPieces, ranks.expertTensor)
        add(sent.context, ranks.context)
        func add(_ amount: Double, to other: Int) {
            let first = min(rank, other) * ranks.stage
            add(amount, RankGroups.pairs(stage: ranks.stage, distance: abs(rank - other), first: first))
        }
        for neighbour in sent.neighbours {
            add(Double(neighbour.messages) * work.messageBytes, to: neighbour.rank)
        }
        if let pair = PairedGradients.sent(rank: rank, work) { add(pair.dense + pair.experts, to: pair.with) }
        if let exchange = sent.experts {
            let place = Placement(ranks.expert, on: network)
            for (index, sent) in place.sent(exchange, size: ranks.expert.size).enumerated() { bytes[index] += sent }
        }
        func add(_ state: StateTraffic, shards: RankGroups, replicas: RankGroups) {
            add(state.gradients + state.weights, shards)
            add(2 * state.replicas, replicas)
        }
        add(StateTraffic.dense(rank: rank, work), shards: ranks.shard, replicas: ranks.replica)
        add(StateTraffic.experts(rank: rank, work), shards: ranks.expertShard, replicas: ranks.expertReplica)
        return zip(work.plan.cluster.networks, bytes).map { NetworkTraffic(network: $0.name, bytes: $1) }
    }
}

extension Placement {
    /// Bytes of `exchange` that one of `size` devices sends over each level; mean over all devices.
    func sent(_ exchange: ExpertTraffic, size: Int) -> [Double] {
        guard size > 1 else { return levels.map { _ in 0 } }
        let innermost = innermost
        return levels.enumerated().map { index, level in
            exchange.sent(
                to: level.reached / Double(size),
                inside: index == innermost ? 1 - level.blocks / Double(size) : nil)
        }
    }
}

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
        sent(work.on(rank: rank), rank: rank, mixed: work.mixed, link: work.plan.cluster.groups?.between)
    }

    /// - Parameters:
    ///   - work: the work of the rank's place.
    ///   - link: the network between groups; nil: there are none.
    private static func sent(
        _ work: LayoutWork, rank: Int, mixed: MixedWork?, link: GroupLink?
    ) -> [NetworkTraffic] {
        let network = work.pricer.network
        let sent = Traffic(work, rank: rank)
        let firstRank = work.place?.firstRank ?? 0
        let ranks = LayoutRanks(work.layout, stage: rank - firstRank)
        // Bytes between groups of a cluster.
        var beyond = 0.0
        var bytes = [Double](repeating: 0, count: network.count)
        func add(_ amount: Double, _ groups: RankGroups) {
            guard groups.size > 1, amount > 0 else { return }
            for (index, level) in Placement(groups, on: network).levels.enumerated() {
                bytes[index] += amount * level.ringShare
            }
        }
        add(sent.tensor, ranks.tensor)
        add(sent.expertPieces, ranks.expertTensor)
        add(sent.expertGathers, ranks.dispatch)
        add(sent.context, work.device.headRanks > 1 ? ranks.contextRing : ranks.context)
        for (index, sent) in sent.headExchanges.enumerated() { bytes[index] += sent }
        func add(_ amount: Double, to other: Int) {
            if let mixed, mixed.groupOfRank[rank] != mixed.groupOfRank[other] {
                beyond += amount
                return
            }
            let first = (min(rank, other) - firstRank) * ranks.stage
            let pairs = RankGroups.pairs(stage: ranks.stage, distance: abs(rank - other), first: first)
            add(amount, pairs)
            // A message to another rail goes through the sender's node, or the receiver's.
            if let hop = RailHop(pairs, Placement(pairs, on: network), on: network) {
                bytes[0] += amount * 2 * hop.crossed
            }
        }
        add(sent.vocabulary, RankGroups(size: work.p, stride: ranks.stage))
        for message in sent.messages { add(message.bytes, to: message.rank) }
        if let pair = sent.paired { add(pair.dense + pair.experts, to: pair.with) }
        for (index, sent) in sent.exchanges.enumerated() { bytes[index] += sent }
        func add(_ state: StateTraffic, shards: RankGroups, replicas: RankGroups) {
            add(state.gradients + state.weights, shards)
            add(state.replicas + state.replicaWeights, replicas)
        }
        add(sent.dense, shards: ranks.shard, replicas: ranks.replica)
        add(sent.experts, shards: ranks.expertShard, replicas: ranks.expertReplica)
        let inside = zip(work.plan.cluster.networks, bytes).map { NetworkTraffic(network: $0.name, bytes: $1) }
        guard let link else { return inside }
        return inside + [NetworkTraffic(network: link.name, bytes: beyond)]
    }
}

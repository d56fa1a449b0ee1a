internal import Schedules

internal import Plans

/// Bytes one device sends over one network in one iteration, the mean of the devices of a group.
package struct NetworkTraffic: Hashable, Sendable {
    package var network: String
    package var bytes: Double

    package init(network: String, bytes: Double) {
        self.network = network
        self.bytes = bytes
    }
}

extension LayoutWork {
    /// Bytes a device of `rank` sends over each of the cluster's networks, from inside out.
    ///
    /// A ring's hops are counted by the network that joins their two ends, over all groups of the rank's stage.
    package func networkTraffic(rank: Int) -> [NetworkTraffic] {
        let network = pricer.network
        let sent = traffic(rank: rank)
        let ranks = LayoutRanks(layout, stage: rank)
        var bytes = [Double](repeating: 0, count: network.count)
        func add(_ amount: Double, _ groups: RankGroups) {
            guard groups.size > 1, amount > 0 else { return }
            for (index, level) in Placement(groups, on: network).levels.enumerated() {
                bytes[index] += amount * level.ringShare
            }
        }
        add(sent.tensor, ranks.tensor)
        add(sent.context, ranks.context)
        for neighbour in neighbours(of: rank) {
            let pairs = RankGroups.pairs(
                stage: ranks.stage, distance: abs(rank - neighbour.rank), first: min(rank, neighbour.rank) * ranks.stage
            )
            add(Double(m) * neighbour.messages * boundaryBytes, pairs)
        }
        if let exchange = expertExchange(rank: rank) {
            let place = Placement(ranks.expert, on: network)
            for (index, sent) in place.sent(exchange, size: ranks.expert.size).enumerated() { bytes[index] += sent }
        }
        // Sharded gradients are scattered after every micro-batch; sharded parameters gathered twice for each.
        let scatters = layout.sharding == .gradients || layout.sharding == .parameters ? Double(m) : 1
        let gathers = layout.sharding == .parameters ? 2 * Double(m) : 1
        func addState(
            gradients: Double, weights: Double, whole: RankGroups, shards: RankGroups, replicas: RankGroups
        ) {
            let state = scatters * gradients + gathers * weights
            if layout.sharding != .none, shards.size < whole.size {
                add(state, shards)
                add(2 * gradients / Double(shards.size), replicas)
            } else {
                add(state, whole)
            }
        }
        addState(
            gradients: sent.gradients, weights: sent.weights, whole: ranks.data, shards: ranks.shard,
            replicas: ranks.replica)
        addState(
            gradients: sent.expertGradients, weights: sent.expertWeights, whole: ranks.expertCopies,
            shards: ranks.expertShard, replicas: ranks.expertReplica)
        return zip(pricer.plan.cluster.networks, bytes).map { NetworkTraffic(network: $0.name, bytes: $1) }
    }

    /// The pipeline ranks to which `rank` sends, with its messages to each for one micro-batch.
    private func neighbours(of rank: Int) -> [(rank: Int, messages: Double)] {
        guard p > 1 else { return [] }
        let share = shares.ranks[rank]
        if shares.passShare < 1 || layout.schedule.isFolded {
            // Stages go up the ranks and down again: as much to one side as to the other.
            let sides = [rank - 1, rank + 1].filter { (0..<p).contains($0) }
            return sides.map { ($0, share.messages / Double(sides.count)) }
        }
        // From the last rank the next stage is the first rank's.
        return [
            ((rank + 1) % p, share.forwardMessages), ((rank + p - 1) % p, share.messages - share.forwardMessages),
        ]
    }
}

extension Placement {
    /// Bytes of `exchange` that one of `size` devices sends over each level, the mean of all.
    func sent(_ exchange: ExpertExchange, size: Int) -> [Double] {
        guard size > 1 else { return levels.map { _ in 0 } }
        let innermost = innermost
        return levels.enumerated().map { index, level in
            exchange.sent(
                to: level.reached / Double(size),
                inside: index == innermost ? 1 - level.blocks / Double(size) : nil)
        }
    }
}

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
    /// A ring's hops are counted by the network that joins their two ends: of n devices of which r reach one another
    /// inside, every r-th hop leaves. Exchanges of experts go to each peer alike.
    package func networkTraffic(rank: Int) -> [NetworkTraffic] {
        let cluster = pricer.plan.cluster
        let sent = traffic(rank: rank)
        var bytes = [Double](repeating: 0, count: cluster.networks.count)
        func add(_ amount: Double, size: Int, stride: Int, everyPeer: Bool = false) {
            guard amount > 0, size > 1 else { return }
            var joined = 1
            var inner = 0.0
            for (index, network) in cluster.networks.enumerated() where joined < size {
                let reach = index == cluster.networks.count - 1 ? Int.max : network.devices
                let reached = min(size, max(reach / max(stride, 1), 1))
                guard reached > joined else { continue }
                // Share of hops (of peers) that this network and those inside it carry.
                let share: Double
                if everyPeer {
                    share = Double(reached - 1) / Double(size - 1)
                } else {
                    share = reached == size ? 1 : 1 - 1 / Double(reached)
                }
                bytes[index] += amount * (share - inner)
                (inner, joined) = (share, reached)
            }
        }
        let stride = layout.tensor
        let ranks = layout.data * layout.context
        add(sent.tensor, size: layout.tensor, stride: 1)
        add(sent.context, size: layout.context, stride: stride)
        add(sent.pipeline, size: layout.pipeline, stride: stride * ranks)
        let experts = ExpertGrid(layout)
        add(sent.expert, size: experts.expert, stride: experts.expertStride, everyPeer: true)
        // Sharded gradients are scattered after every micro-batch; sharded parameters gathered twice for each.
        let scatters = layout.sharding == .gradients || layout.sharding == .parameters ? Double(m) : 1
        let gathers = layout.sharding == .parameters ? 2 * Double(m) : 1
        let state = scatters * sent.gradients + gathers * sent.weights
        if layout.sharding != .none, layout.shardRanks < ranks {
            add(state, size: layout.shardRanks, stride: stride)
            add(
                2 * sent.gradients / Double(layout.shardRanks), size: ranks / layout.shardRanks,
                stride: stride * layout.shardRanks)
        } else {
            add(state, size: ranks, stride: stride)
        }
        return zip(cluster.networks, bytes).map { NetworkTraffic(network: $0.name, bytes: $1) }
    }
}

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
    /// inside, every r-th hop leaves.
    package func networkTraffic(rank: Int) -> [NetworkTraffic] {
        let cluster = pricer.plan.cluster
        let sent = traffic(rank: rank)
        var bytes = [Double](repeating: 0, count: cluster.networks.count)
        // `sent`: bytes over the network that joins groups of so many devices to groups of so many more.
        func add(size: Int, stride: Int, _ sent: (_ joined: Int, _ reached: Int) -> Double) {
            guard size > 1 else { return }
            var joined = 1
            for (index, network) in cluster.networks.enumerated() where joined < size {
                let reach = index == cluster.networks.count - 1 ? Int.max : network.devices
                let reached = min(size, max(reach / max(stride, 1), 1))
                guard reached > joined else { continue }
                bytes[index] += sent(joined, reached)
                joined = reached
            }
        }
        func add(_ amount: Double, size: Int, stride: Int) {
            // Share of a ring's hops between devices of one group of `joined`.
            func inside(_ joined: Int) -> Double { joined == size ? 1 : 1 - 1 / Double(joined) }
            add(size: size, stride: stride) { amount * (inside($1) - inside($0)) }
        }
        let stride = layout.tensor
        let ranks = layout.data * layout.context
        add(sent.tensor, size: layout.tensor, stride: 1)
        add(sent.context, size: layout.context, stride: stride)
        add(sent.pipeline, size: layout.pipeline, stride: stride * ranks)
        let experts = ExpertGrid(layout)
        if let exchange = expertExchange(rank: rank) {
            add(size: experts.expert, stride: experts.expertStride) {
                exchange.sent(joining: Double($0), to: Double($1), of: Double(experts.expert))
            }
        }
        // Sharded gradients are scattered after every micro-batch; sharded parameters gathered twice for each.
        let scatters = layout.sharding == .gradients || layout.sharding == .parameters ? Double(m) : 1
        let gathers = layout.sharding == .parameters ? 2 * Double(m) : 1
        func addState(gradients: Double, weights: Double, size: Int, stride: Int, shards: Int) {
            let state = scatters * gradients + gathers * weights
            if layout.sharding != .none, shards < size {
                add(state, size: shards, stride: stride)
                add(2 * gradients / Double(shards), size: size / shards, stride: stride * shards)
            } else {
                add(state, size: size, stride: stride)
            }
        }
        addState(
            gradients: sent.gradients, weights: sent.weights, size: ranks, stride: stride, shards: layout.shardRanks)
        addState(
            gradients: sent.expertGradients, weights: sent.expertWeights, size: experts.copies,
            stride: experts.copyStride, shards: experts.shardedCopies(layout))
        return zip(cluster.networks, bytes).map { NetworkTraffic(network: $0.name, bytes: $1) }
    }
}

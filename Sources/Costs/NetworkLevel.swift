internal import Plans

/// One level of a cluster's network as placements and collectives need it.
struct NetworkLevel: Hashable, Sendable {
    /// Devices that reach one another over it: those with the same number by this. The outermost joins all.
    var block: Int
    /// Bytes a second one device sends when all send, with the efficiency of large messages.
    var rate: Double
    /// The same of all-reduces by rings and trees.
    var reduceRate: Double
    /// The same of all-reduces in which the network adds; 0 where it cannot.
    var switchRate: Double
    var latency: Double

    /// The networks of `cluster` from inside out. A level joins whole groups of the level inside it.
    static func levels(of cluster: Cluster) -> [NetworkLevel] {
        var inside = 1
        return cluster.networks.enumerated().map { index, network in
            let isOutermost = index == cluster.networks.count - 1
            inside = max(inside, network.devices / inside * inside)
            let allReduce = network.bytesPerSecond * network.allReduceEfficiency
            return NetworkLevel(
                block: isOutermost ? .max : inside, rate: network.bytesPerSecond * network.efficiency,
                reduceRate: network.inNetworkReduction ? network.bytesPerSecond * network.efficiency : allReduce,
                switchRate: network.inNetworkReduction ? allReduce : 0, latency: network.latencySeconds)
        }
    }
}

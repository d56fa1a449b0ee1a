internal import Plans

/// One level of a cluster's network as placements and collectives need it.
struct NetworkLevel: Hashable, Sendable {
    /// Devices of one block. Devices in the same block reach one another over this level; the outermost joins all.
    var block: Int
    /// Bytes a second one device sends when all send, with the efficiency of large messages.
    var rate: Double
    /// Bytes a second one device sends in ring and tree all-reduces, when all devices send.
    var reduceRate: Double
    /// Bytes a second one device sends in all-reduces that the switches add up; 0 where they cannot.
    var switchRate: Double
    var latency: Double

    /// The networks of `cluster` from inside out. A level joins whole groups of the level inside it.
    /// - Parameter devices: devices of the job; 0 where they are not known.
    static func levels(of cluster: Cluster, devices: Int = 0) -> [NetworkLevel] {
        var inside = 1
        return cluster.networks.enumerated().map { index, network in
            let isOutermost = index == cluster.networks.count - 1
            let reached = index == 0 && !isOutermost ? segment(of: cluster, devices: devices) : network.devices
            inside = max(inside, reached / inside * inside)
            let allReduce = network.bytesPerSecond * network.allReduceEfficiency
            return NetworkLevel(
                block: isOutermost ? .max : inside, rate: network.bytesPerSecond * network.efficiency,
                reduceRate: network.inNetworkReduction ? network.bytesPerSecond * network.efficiency : allReduce,
                switchRate: network.inNetworkReduction ? allReduce : 0, latency: network.latencySeconds)
        }
    }

    /// Devices that a job takes of each domain of the innermost network.
    ///
    /// Nodes are filled one after the other. Where a domain is made of several nodes, as in an NVL72 rack, schedulers give
    /// a job as many nodes of one domain as of another: NVIDIA recommends segments of 16 of a rack's 18 nodes for jobs of
    /// 128 devices and more (Slurm's topology/block plugin, `--segment`). The job takes the fewest domains that get equal
    /// parts of at least 16 eighteenths of a domain. Where no number of domains does, domains are filled one after the other.
    private static func segment(of cluster: Cluster, devices: Int) -> Int {
        let (domain, node) = (cluster.networks[0].devices, max(1, cluster.devicesPerNode))
        guard node < domain, domain < devices, devices % node == 0 else { return domain }
        let fewest = (devices - 1) / domain + 1
        let most = max(fewest, devices / (domain - domain / 9))
        return (fewest...most).first { devices / node % $0 == 0 }.map { devices / $0 } ?? domain
    }
}

internal import Plans

/// One level of a cluster's network, as placements and collectives need it.
struct NetworkLevel: Hashable, Sendable {
    /// Devices of one block. Devices of a block reach one another over this level; the outermost level joins all
    /// devices.
    var block: Int
    /// Bytes a second that one device sends while all devices send, at the efficiency of large messages.
    var rate: Double
    /// Bytes a second that one device sends in ring and tree all-reduces, while all devices send.
    var reduceRate: Double
    /// Bytes a second that one device sends in all-reduces that the switches compute; 0 if they cannot.
    var switchRate: Double
    var latency: Double
    /// Devices of a node, if this level joins only devices at the same place of their node; 0 if it joins all.
    var railNode = 0

    /// The networks of `cluster` from the innermost to the outermost. A level joins whole groups of the level below it.
    /// - Parameter devices: devices of the job; 0 if unknown.
    static func levels(of cluster: Cluster, devices: Int = 0) -> [NetworkLevel] {
        var inside = 1
        // Bandwidth out of the levels below, as a fraction of the bandwidth into them.
        var way = 1.0
        return cluster.networks.enumerated().map { index, network in
            let isOutermost = index == cluster.networks.count - 1
            let reached = index == 0 && !isOutermost ? segment(of: cluster, devices: devices) : network.devices
            inside = max(inside, reached / inside * inside)
            let bandwidth = network.bytesPerSecond * way
            way /= network.oversubscription
            let allReduce = bandwidth * network.allReduceEfficiency
            return NetworkLevel(
                block: isOutermost ? .max : inside, rate: bandwidth * network.efficiency,
                reduceRate: network.inNetworkReduction ? bandwidth * network.efficiency : allReduce,
                switchRate: network.inNetworkReduction ? allReduce : 0, latency: network.latencySeconds,
                railNode: network.railOnly ? max(1, cluster.devicesPerNode) : 0)
        }
    }

    /// Number of devices that a job takes in each domain of the innermost network.
    ///
    /// Nodes are filled one after the other. If a domain consists of several nodes, as in an NVL72 rack, schedulers
    /// give a job the same number of nodes in each domain: NVIDIA recommends segments of 16 of a rack's 18 nodes for
    /// jobs of 128 devices and more (Slurm's topology/block plugin, `--segment`). The job takes the smallest number of
    /// domains such that all get equal parts of at least 16 eighteenths of a domain. If there is no such number,
    /// domains are filled one after the other.
    private static func segment(of cluster: Cluster, devices: Int) -> Int {
        let (domain, node) = (cluster.networks[0].devices, max(1, cluster.devicesPerNode))
        guard node < domain, domain < devices, devices % node == 0 else { return domain }
        let fewest = (devices - 1) / domain + 1
        let most = max(fewest, devices / (domain - domain / 9))
        return (fewest...most).first { devices / node % $0 == 0 }.map { devices / $0 } ?? domain
    }
}

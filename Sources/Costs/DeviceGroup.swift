package import Plans

/// How a group of devices lies on the cluster's networks, from inside out.
///
/// Ranks are numbered tensor innermost, then context, data, pipeline (Megatron-LM's order), so a group is `size`
/// devices `stride` apart. At each network level some of them reach one another; what does not crosses the next level.
package struct DeviceGroup: Sendable {
    /// One level of the network as this group uses it.
    struct Level: Sendable {
        /// Sub-groups joined at this level (devices, at the innermost).
        var members: Double
        /// Bytes a second one device sends when all send, with the efficiency of large messages.
        var rate: Double
        /// The same of all-reduces by rings and trees.
        var reduceRate: Double
        var latency: Double
        /// The same of all-reduces in which the network adds; 0 where it cannot.
        var switchRate: Double

        static let none = Level(members: 1, rate: .infinity, reduceRate: .infinity, latency: 0, switchRate: 0)
    }

    package let size: Int
    private(set) var first = Level.none
    private(set) var second = Level.none
    private(set) var third = Level.none

    /// - Parameter stride: distance between neighbours of the group in device numbers.
    package init(size: Int, stride: Int, cluster: Cluster) {
        self.size = size
        var joined = 1
        var levels = 0
        for (index, network) in cluster.networks.enumerated() where joined < size {
            // The outermost level joins everything, whatever it says.
            let reach = index == cluster.networks.count - 1 ? Int.max : network.devices
            let reached = min(size, max(reach / max(stride, 1), 1))
            guard reached > joined else { continue }
            let level = Level(
                members: Double(reached) / Double(joined), rate: network.bytesPerSecond * network.efficiency,
                reduceRate: network.bytesPerSecond
                    * (network.inNetworkReduction ? network.efficiency : network.allReduceEfficiency),
                latency: network.latencySeconds,
                switchRate: network.inNetworkReduction ? network.bytesPerSecond * network.allReduceEfficiency : 0)
            switch levels {
            case 0: first = level
            case 1: second = level
            default:
                // Deeper networks than three levels share the outermost one's figures.
                third = Level(
                    members: third.members * level.members, rate: level.rate, reduceRate: level.reduceRate,
                    latency: level.latency, switchRate: level.switchRate)
            }
            levels += 1
            joined = reached
        }
    }

    /// One device by itself.
    static let alone = DeviceGroup(size: 1)

    private init(size: Int) { self.size = size }

    /// Seconds to send `bytes` to a neighbour of the group.
    ///
    /// With several levels some neighbours are far: the slowest sets the pace.
    package func transfer(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        let level = third.members > 1 ? third : second.members > 1 ? second : first
        return level.latency + bytes / level.rate
    }

    /// Seconds of an all-reduce of `bytes`: the cheapest of ring, double binary tree and in-network sum.
    package func allReduce(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        let n = Double(size)
        let rate = min(
            first.reduceRate, second.reduceRate * first.members, third.reduceRate * first.members * second.members)
        let ring = 2 * ringLatency + 2 * bytes * (n - 1) / n / rate
        let tree = 2 * treeLatency + 2 * bytes / rate
        var best = min(ring, tree)
        if second.members == 1, first.switchRate > 0 {
            // Each device reads its share of the sum and writes it to all: S + S/n each way.
            best = min(best, 2 * first.latency + bytes * (n + 1) / n / first.switchRate)
        }
        return best
    }

    /// Seconds of `count` reduce-scatters or all-gathers of `bytes` in all (the full tensors): rings, as in NCCL.
    package func gather(bytes: Double, count: Double = 1) -> Double {
        guard size > 1 else { return 0 }
        let n = Double(size)
        return count * ringLatency + bytes * (n - 1) / n / ringRate
    }

    /// Seconds of an all-to-all in which every device sends `bytes`, an equal part to each of the group (its own too).
    package func allToAll(bytes: Double) -> Double { allToAll(ExpertExchange(copies: bytes)) }

    /// Seconds of `exchange` where the fullest device sends `imbalance` times the mean.
    ///
    /// Parts for far devices cross every outer level they must; the levels work at the same time, so the slowest counts.
    /// Messages of one device leave together: a latency for each doubling of the group rather than for each peer [own].
    func allToAll(_ exchange: ExpertExchange, imbalance: Double = 1) -> Double {
        guard size > 1 else { return 0 }
        let seconds = bytes(of: exchange).map { $0.bytes / $0.level.rate }.max() ?? 0
        return treeLatency + imbalance * seconds
    }

    /// Bytes of `exchange` that one device sends at each level.
    func bytes(of exchange: ExpertExchange) -> [(level: Level, bytes: Double)] {
        var joined = 1.0
        return [first, second, third].filter { $0.members > 1 }.map { level in
            defer { joined *= level.members }
            return (level, exchange.sent(joining: joined, to: joined * level.members, of: Double(size)))
        }
    }

    /// Nodes (groups of the innermost network) the group lies on.
    var nodes: Double { Double(size) / first.members }

    /// A flat ring leaves each sub-group once: the NICs of all its members carry that one stream.
    private var ringRate: Double {
        min(first.rate, second.rate * first.members, third.rate * first.members * second.members)
    }

    /// Latency of a part's way once round the ring, which crosses each level as often as that has sub-groups but once
    /// (NCCL, src/graph/tuning.cc).
    private var ringLatency: Double {
        let (inner, middle, outer) = (first.members, second.members, third.members)
        let beyond = outer > 1 ? outer : 0
        let across = middle > 1 ? middle * outer - beyond : 0
        let inside = Double(size) - (beyond > 0 ? across + beyond : across)
        let steps = beyond + across + (inner > 1 ? inside : 0)
        let slowest = beyond > 0 ? third.latency : across > 0 ? second.latency : first.latency
        return inside * first.latency + across * second.latency + beyond * third.latency
            - (steps > 0 ? slowest : 0)
    }

    private var treeLatency: Double {
        Self.depth(first) + Self.depth(second) + Self.depth(third)
    }

    private static func depth(_ level: Level) -> Double {
        var (depth, reach) = (0.0, 1.0)
        while reach < level.members {
            depth += 1
            reach *= 2
        }
        return depth * level.latency
    }
}

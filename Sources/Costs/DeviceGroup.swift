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
        var latency: Double
        var reduces: Bool
    }

    package let size: Int
    private(set) var first = Level(members: 1, rate: .infinity, latency: 0, reduces: false)
    private(set) var second = Level(members: 1, rate: .infinity, latency: 0, reduces: false)
    private(set) var third = Level(members: 1, rate: .infinity, latency: 0, reduces: false)

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
                latency: network.latencySeconds, reduces: network.inNetworkReduction)
            switch levels {
            case 0: first = level
            case 1: second = level
            default:
                // Deeper networks than three levels share the outermost one's figures.
                third = Level(
                    members: third.members * level.members, rate: level.rate, latency: level.latency,
                    reduces: level.reduces)
            }
            levels += 1
            joined = reached
        }
    }

    /// Seconds to send `bytes` to a neighbour of the group.
    ///
    /// With several levels some neighbours are far: the slowest sets the pace.
    package func transfer(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        let level = third.members > 1 ? third : second.members > 1 ? second : first
        return level.latency + bytes / level.rate
    }

    /// Seconds of an all-reduce of `bytes`: the cheapest of ring, double binary tree, hierarchy and in-network sum.
    package func allReduce(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        let n = Double(size)
        let ring = 2 * (n - 1) * ringLatency + 2 * bytes * (n - 1) / n / ringRate
        let tree = 2 * treeLatency + 2 * bytes / ringRate
        var best = min(ring, tree, hierarchical(bytes: bytes))
        if second.members == 1, first.reduces {
            best = min(best, 2 * first.latency + bytes * (n - 1) / (n + 1) / first.rate)
        }
        return best
    }

    /// Seconds of a reduce-scatter or an all-gather of `bytes` in all (the full tensor): ring or hierarchy.
    package func gather(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        let n = Double(size)
        let ring = (n - 1) * ringLatency + bytes * (n - 1) / n / ringRate
        // Innermost level on a share of the tensor that the outer levels have already scattered.
        let inner = Self.gatherRing(first, bytes: bytes)
        let middle = Self.gatherRing(second, bytes: bytes / first.members)
        let outer = Self.gatherRing(third, bytes: bytes / (first.members * second.members))
        return min(ring, inner + middle + outer)
    }

    /// Seconds of an all-to-all in which every device sends `bytes`, an equal part to each of the group (its own too).
    ///
    /// Parts for far devices cross every outer level they must; the levels work at the same time, so the slowest counts.
    /// Messages of one device leave together: a latency for each doubling of the group rather than for each peer [own].
    package func allToAll(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        let near = first.members / Double(size)
        let middle = second.members > 1 ? near * second.members : near
        let inside = first.members > 1 ? bytes * (near - 1 / Double(size)) / first.rate : 0
        let across = second.members > 1 ? bytes * (middle - near) / second.rate : 0
        let beyond = third.members > 1 ? bytes * (1 - middle) / third.rate : 0
        return treeLatency + max(inside, across, beyond)
    }

    /// Reduce-scatter inside, all-reduce across, all-gather inside, level by level.
    private func hierarchical(bytes: Double) -> Double {
        let inner = 2 * Self.gatherRing(first, bytes: bytes)
        let middle = 2 * Self.gatherRing(second, bytes: bytes / first.members)
        let outer = 2 * Self.gatherRing(third, bytes: bytes / (first.members * second.members))
        return inner + middle + outer
    }

    private static func gatherRing(_ level: Level, bytes: Double) -> Double {
        guard level.members > 1 else { return 0 }
        return (level.members - 1) * level.latency + bytes * (level.members - 1) / level.members / level.rate
    }

    /// A flat ring leaves each sub-group once: the NICs of all its members carry that one stream.
    private var ringRate: Double {
        min(first.rate, second.rate * first.members, third.rate * first.members * second.members)
    }

    private var ringLatency: Double {
        // Steps move together, so each waits for the slowest hop.
        max(first.latency, second.latency, third.latency)
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

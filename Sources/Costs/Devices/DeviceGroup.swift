package import Plans

/// Groups of devices of one kind on the cluster's networks, and the seconds of their collectives. Groups may lie
/// differently on the networks. The slowest group counts, because a step waits for all of them.
package struct DeviceGroup: Sendable {
    /// One level of the network as these groups use it.
    struct Level: Sendable {
        /// Bytes a second that one device sends while all devices send.
        var rate: Double
        var latency: Double
        /// Fraction of the group that one member reaches over this level; the largest over all members.
        var reached: Double

        static let none = Level(rate: .infinity, latency: 0, reached: 0)
    }

    package let size: Int
    private(set) var first = Level.none
    private(set) var second = Level.none
    private(set) var third = Level.none
    /// Largest number of nodes (blocks of the innermost level in use) that one group lies on.
    private(set) var nodes = 1.0
    /// Largest number of members of one group on one node.
    private var mostInside = 1.0
    private var ringLatency = 0.0
    private var treeLatency = 0.0
    /// Bytes a second around the ring. A ring leaves a block once, over the network cards of all members there, so the
    /// block with the fewest members is the bottleneck.
    private var ringRate = Double.infinity
    /// Bytes a second of ring and tree all-reduces.
    private var reduceRate = Double.infinity
    /// The way through nodes to other rails; nil: none is needed.
    private var hop: RailHop?
    /// Bytes a second of all-reduces that switches compute. 0: a group lies on several levels, or the switches cannot
    /// add.
    private var switchRate = 0.0

    /// Groups of `size` devices, `stride` apart: all groups that begin before the second member of the first group.
    package init(size: Int, stride: Int, cluster: Cluster) {
        self.init(RankGroups(size: size, stride: stride), on: NetworkLevel.levels(of: cluster))
    }

    /// All `groups` of a cluster.
    package init(_ groups: RankGroups, cluster: Cluster) {
        self.init(groups, on: NetworkLevel.levels(of: cluster))
    }

    init(_ groups: RankGroups, on network: [NetworkLevel]) {
        size = groups.size
        guard size > 1 else { return }
        let placement = Placement(groups, on: network)
        ringLatency = placement.ringLatency
        treeLatency = placement.treeLatency
        hop = RailHop(groups, placement, on: network)
        var used = 0
        for (level, place) in zip(network, placement.levels) where place.isUsed {
            if used == 0 {
                nodes = Double(place.mostBlocks)
                mostInside = Double(place.mostMembers)
                switchRate = level.switchRate
            } else {
                switchRate = 0
            }
            let cards = Double(place.leastMembers)
            ringRate = min(ringRate, level.rate * cards)
            reduceRate = min(reduceRate, level.reduceRate * cards)
            let reached = Double(place.mostReached) / Double(size)
            let here = Level(rate: level.rate, latency: level.latency, reached: reached)
            switch used {
            case 0: first = here
            case 1: second = here
            case 2: third = here
            default:
                // A network of more than three levels uses the figures of the outermost one for the third and all
                // further levels.
                third = Level(rate: level.rate, latency: level.latency, reached: third.reached + reached)
            }
            used += 1
        }
    }

    /// A group of one device.
    static let alone = DeviceGroup(size: 1)

    private init(size: Int) { self.size = size }

    /// Seconds of sending `bytes` to a neighbour in the group.
    ///
    /// If the group lies on several levels, some neighbours are far apart, and the slowest pair sets the pace.
    package func transfer(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        var seconds = first.latency + bytes / first.rate
        if second.reached > 0 { seconds = max(seconds, second.latency + bytes / second.rate) }
        if third.reached > 0 { seconds = max(seconds, third.latency + bytes / third.rate) }
        if let hop { seconds += hop.latency + bytes / hop.rate }
        return seconds
    }

    /// Seconds of an all-reduce of `bytes`: the fastest of ring, double binary tree and in-switch sum.
    package func allReduce(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        let n = Double(size)
        let ring = 2 * ringLatency + 2 * bytes * (n - 1) / n / reduceRate
        let tree = 2 * treeLatency + 2 * bytes / reduceRate
        var best = min(ring, tree)
        if switchRate > 0 {
            // Each device reads its part of the sum and writes it to all: S + S/n in each direction.
            best = min(best, 2 * first.latency + bytes * (n + 1) / n / switchRate)
        }
        return best
    }

    /// Seconds that the bytes of an all-reduce take in the fastest way, without latencies: in proportion to `bytes`.
    func leastAllReduce(bytes: Double) -> Double {
        guard size > 1 else { return 0 }
        let n = Double(size)
        let ring = 2 * bytes * (n - 1) / n / reduceRate
        return switchRate > 0 ? min(ring, bytes * (n + 1) / n / switchRate) : ring
    }

    /// Seconds of `count` reduce-scatters or all-gathers of full tensors of `bytes` in total, by rings as in NCCL.
    package func gather(bytes: Double, count: Double = 1) -> Double {
        guard size > 1 else { return 0 }
        let n = Double(size)
        return count * ringLatency + bytes * (n - 1) / n / ringRate
    }

    /// Seconds of the all-to-all `exchange` if the fullest device sends `imbalance` times the mean.
    ///
    /// Messages to far devices cross all levels up to the one that joins the two devices. The levels work at the same
    /// time, so the slowest level counts, for the device with most to send over it. The messages of one device leave
    /// together, so latency counts once for each doubling of the group rather than once for each peer [own].
    ///
    /// - Parameter count: number of all-to-alls that together send `exchange`.
    package func allToAll(_ exchange: ExpertTraffic, imbalance: Double = 1, count: Double = 1) -> Double {
        guard size > 1 else { return 0 }
        var seconds = exchange.sent(to: first.reached, inside: 1 - 1 / mostInside) / first.rate
        seconds = max(seconds, exchange.sent(to: second.reached) / second.rate)
        seconds = max(seconds, exchange.sent(to: third.reached) / third.rate)
        var latency = treeLatency
        if let hop {
            // Rows that are sent once to each node are passed on there, which is counted already.
            let inside = exchange.perNode == nil ? exchange.copies * hop.crossed : 0
            let own = hop.sharesNodes ? exchange.sent(to: first.reached, inside: 1 - 1 / mostInside) : 0
            seconds = max(seconds, (own + inside) / hop.rate)
            latency += hop.latency
        }
        return count * latency + imbalance * seconds
    }
}

package import Plans

/// The placement of all groups of one kind on the levels of a network: how many members share a node (a pod, and so
/// on), and how much of a collective crosses each level.
///
/// Two ranks reach each other over the innermost level at which they share a block. The start of a group decides how it
/// is divided: groups of six on nodes of eight lie as 6, 2 + 4, 4 + 2 and 6. Groups that begin at the same place within
/// the outermost blocks have the same placement, and the placement of a long group is periodic, so the work does not
/// grow with the cluster.
package struct Placement: Sendable {
    /// The groups' use of one level of the network.
    package struct Level: Sendable {
        /// Fraction of a ring's hops that cross this level; mean of all groups.
        package var ringShare = 0.0
        /// Members that one member reaches over this level; mean of all members.
        package var reached = 0.0
        /// Members that one member reaches over this level; maximum of all members.
        package var mostReached = 0
        /// Smallest number of members in an inner block that sends over this level. Each member brings its own network
        /// card.
        package var leastMembers = Int.max
        /// Largest number of members in one block of this level.
        package var mostMembers = 1
        /// Largest number of blocks of this level that one group lies on.
        package var mostBlocks = 1
        /// Mean number of blocks of this level that one group lies on.
        package var blocks = 0.0

        package var isUsed: Bool { mostReached > 0 }
    }

    package private(set) var levels: [Level]
    /// Seconds of latency once around the ring of the slowest group: the latencies of all hops except one of the
    /// outermost level (NCCL, src/graph/tuning.cc).
    package private(set) var ringLatency = 0.0
    /// Seconds of latency from a leaf of the tree to its root: one latency for each doubling of members at each level.
    package private(set) var treeLatency = 0.0

    /// Largest outermost block for which every start of a group is counted. In larger blocks only the first group is.
    private static let mostStarts = 1 << 20

    package init(_ groups: RankGroups, cluster: Cluster) {
        self.init(groups, on: NetworkLevel.levels(of: cluster))
    }

    init(_ groups: RankGroups, on network: [NetworkLevel]) {
        levels = [Level](repeating: Level(), count: network.count)
        guard groups.size > 1, !network.isEmpty else { return }
        // Levels outside the first one that joins all groups are not needed.
        let top = network.firstIndex { $0.block >= groups.upperBound } ?? network.count - 1
        var blocks = network[..<top].map(\.block)
        // A common divisor of all positions can be divided out.
        var unit = greatestDivisor(greatestDivisor(groups.stride, groups.neighbours), groups.first)
        for block in blocks { unit = greatestDivisor(unit, block) }
        for index in blocks.indices { blocks[index] /= unit }
        var walk = Walk(blocks: blocks, stride: groups.stride / unit)
        let latencies = network.map(\.latency)
        guard let outermost = blocks.last, walk.stride < outermost, outermost <= Self.mostStarts else {
            walk.run(from: groups.first / unit, size: groups.size)
            add(walk, groups: groups.count, latencies: latencies)
            divideSums(by: groups)
            return
        }
        // The number of groups that begin at each place of an outermost block.
        var starts = [Double](repeating: 0, count: outermost)
        let step = groups.span / unit
        let period = outermost / greatestDivisor(step, outermost)
        for turn in 0..<min(groups.repeats, period) {
            let alike = Double((groups.repeats - turn - 1) / period + 1) * Double(unit)
            let from = groups.first / unit % outermost + turn * (step % outermost)
            for neighbour in 0..<groups.neighbours / unit { starts[(from + neighbour) % outermost] += alike }
        }
        for (start, alike) in starts.enumerated() where alike > 0 {
            walk.run(from: start, size: groups.size)
            add(walk, groups: alike, latencies: latencies)
        }
        divideSums(by: groups)
    }

    /// Index of the innermost level that any group uses.
    var innermost: Int? { levels.firstIndex { $0.isUsed } }

    /// Adds groups whose placement `walk` found.
    private mutating func add(_ walk: Walk, groups: Double, latencies: [Double]) {
        var (ring, tree, slowest) = (0.0, 0.0, 0.0)
        var inside = walk.size
        for (index, level) in walk.levels.enumerated() {
            let hops = inside - (level.blocks > 1 ? level.blocks : 0)
            if hops > 0 {
                ring += Double(hops) * latencies[index]
                slowest = latencies[index]
            }
            tree += Self.depth(level.mostJoined) * latencies[index]
            inside = level.blocks > 1 ? level.blocks : 0
            levels[index].ringShare += groups * Double(hops)
            levels[index].reached += groups * level.reached
            levels[index].blocks += groups * Double(level.blocks)
            levels[index].mostReached = max(levels[index].mostReached, level.mostReached)
            levels[index].leastMembers = min(levels[index].leastMembers, level.leastMembers)
            levels[index].mostMembers = max(levels[index].mostMembers, level.mostMembers)
            levels[index].mostBlocks = max(levels[index].mostBlocks, level.blocks)
        }
        ringLatency = max(ringLatency, ring - slowest)
        treeLatency = max(treeLatency, tree)
    }

    /// Divides sums over groups and members by their counts, which makes them means.
    private mutating func divideSums(by groups: RankGroups) {
        let members = groups.count * Double(groups.size)
        for index in levels.indices {
            levels[index].ringShare /= members
            levels[index].reached /= members
            levels[index].blocks /= groups.count
        }
    }

    private static func depth(_ members: Int) -> Double {
        var (depth, reach) = (0.0, 1)
        while reach < members {
            depth += 1
            reach *= 2
        }
        return depth
    }
}

/// A walk through one group, from its first member to its last, that counts members block by block.
private struct Walk {
    struct Level {
        var blocks = 0
        var mostMembers = 0
        var mostJoined = 1
        var mostReached = 0
        var leastMembers = Int.max
        /// Sum over all members of the number of members each one reaches.
        var reached = 0.0
    }

    /// A block that the walk is filling.
    private struct Open {
        var members = 0
        /// Number of blocks of the level below in this block.
        var joined = 0
        /// Smallest number of members of a block of the level below.
        var least = Int.max
        /// Sum over the blocks of the level below of the squares of their members.
        var squares = 0.0
    }

    let blocks: [Int]
    let stride: Int
    private(set) var size = 0
    /// One level for each of `blocks`, and a last level that joins all.
    private(set) var levels: [Level] = []
    private var open: [Open] = []

    init(blocks: [Int], stride: Int) {
        self.blocks = blocks
        self.stride = stride
    }

    mutating func run(from start: Int, size: Int) {
        self.size = size
        levels = [Level](repeating: Level(), count: blocks.count + 1)
        open = [Open](repeating: Open(), count: blocks.count + 1)
        if let outermost = blocks.last, stride < outermost {
            // First the members up to the first outermost block that begins with this group, then one period as often
            // as it repeats, then the rest.
            let lead = min(size, (outermost - start % outermost + stride - 1) / stride)
            walk(from: start, members: lead, times: 1)
            let next = start + lead * stride
            let period = outermost / greatestDivisor(stride, outermost)
            let times = (size - lead) / period
            if times > 0 { walk(from: next, members: period, times: times) }
            let rest = size - lead - times * period
            walk(from: next + times * period * stride, members: rest, times: 1)
        } else {
            // Every member is alone in its blocks.
            for index in blocks.indices {
                levels[index].blocks = size
                levels[index].mostMembers = 1
            }
            open[blocks.count] = Open(members: size, joined: size, least: 1, squares: Double(size))
        }
        close(blocks.count, times: 1)
    }

    /// Counts `members` from position `start` on, which fill outermost blocks, repeated `times` times.
    private mutating func walk(from start: Int, members: Int, times: Int) {
        var (position, left) = (start, members)
        let inner = blocks[0]
        while left > 0 {
            let here = min(left, (inner - position % inner + stride - 1) / stride)
            open[0] = Open(members: here, joined: here, least: 1, squares: Double(here))
            let last = position
            position += here * stride
            left -= here
            for index in blocks.indices {
                if left > 0, position / blocks[index] == last / blocks[index] { break }
                close(index, times: times)
            }
        }
    }

    /// Counts the completed block of a level, repeated `times` times, and adds it to the block that contains it.
    private mutating func close(_ index: Int, times: Int) {
        let block = open[index]
        open[index] = Open()
        let members = Double(block.members)
        levels[index].blocks += times
        levels[index].mostMembers = max(levels[index].mostMembers, block.members)
        levels[index].mostJoined = max(levels[index].mostJoined, block.joined)
        levels[index].reached += Double(times) * (members * members - block.squares)
        if block.joined > 1 {
            levels[index].mostReached = max(levels[index].mostReached, block.members - block.least)
            levels[index].leastMembers = min(levels[index].leastMembers, block.least)
        }
        guard index < blocks.count else { return }
        let count = index == blocks.count - 1 ? times : 1
        open[index + 1].members += count * block.members
        open[index + 1].joined += count
        open[index + 1].least = min(open[index + 1].least, block.members)
        open[index + 1].squares += Double(count) * members * members
    }
}

/// The greatest common divisor.
private func greatestDivisor(_ a: Int, _ b: Int) -> Int {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
}

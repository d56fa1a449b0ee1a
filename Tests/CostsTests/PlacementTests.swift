import Costs
import Numbers
import Plans
import Testing

/// Where groups lie, against every rank of every group looked at one by one.
@Suite struct PlacementTests {
    /// One group counted member by member.
    private struct Counted {
        var hops: [Int]
        var reached: [Int]
        var mostReached: [Int]
        var leastMembers: [Int]
        var ringLatency = 0.0
        var treeLatency = 0.0

        init(_ members: [Int], _ networks: [Network]) {
            let n = members.count
            let levels = networks.count
            func block(_ level: Int, _ rank: Int) -> Int { level == levels - 1 ? 0 : rank / networks[level].devices }
            func joins(_ a: Int, _ b: Int) -> Int { (0..<levels).first { block($0, a) == block($0, b) } ?? 0 }
            hops = [Int](repeating: 0, count: levels)
            (reached, mostReached) = (hops, hops)
            leastMembers = [Int](repeating: .max, count: levels)
            for index in 0..<n { hops[joins(members[index], members[(index + 1) % n])] += 1 }
            for a in members {
                var mine = [Int](repeating: 0, count: levels)
                for b in members where a != b { mine[joins(a, b)] += 1 }
                for level in 0..<levels {
                    reached[level] += mine[level]
                    mostReached[level] = max(mostReached[level], mine[level])
                    guard mine[level] > 0 else { continue }
                    let together = level == 0 ? 1 : members.filter { block(level - 1, $0) == block(level - 1, a) }.count
                    leastMembers[level] = min(leastMembers[level], together)
                }
            }
            var slowest = 0.0
            for level in 0..<levels where hops[level] > 0 {
                ringLatency += Double(hops[level]) * networks[level].latencySeconds
                slowest = networks[level].latencySeconds
            }
            ringLatency -= slowest
            for level in 0..<levels {
                // Blocks inside each block of this level.
                var inside: [Int: Set<Int>] = [:]
                for a in members { inside[block(level, a), default: []].insert(level == 0 ? a : block(level - 1, a)) }
                var (depth, reach) = (0.0, 1)
                while reach < inside.values.map(\.count).max() ?? 1 { (depth, reach) = (depth + 1, 2 * reach) }
                treeLatency += depth * networks[level].latencySeconds
            }
        }
    }

    private func networks(_ devices: [Int]) -> [Network] {
        (devices + [0]).enumerated().map { index, devices in
            Network(
                name: "level \(index)", devices: devices, bytesPerSecond: 100e9 / Double(1 << (2 * index)),
                latencySeconds: 1e-6 * Double(3 * index + 1), efficiency: 0.5)
        }
    }

    private func check(_ groups: RankGroups, _ networks: [Network], _ what: String) {
        var cluster = TestCluster.a100()
        cluster.networks = networks
        let found = Placement(groups, cluster: cluster)
        var all: [Counted] = []
        for turn in 0..<groups.repeats {
            for neighbour in 0..<groups.neighbours {
                let start = groups.first + turn * groups.size * groups.stride + neighbour
                all.append(Counted((0..<groups.size).map { start + $0 * groups.stride }, networks))
            }
        }
        let members = Double(all.count * groups.size)
        for (level, place) in found.levels.enumerated() {
            func sum(_ value: (Counted) -> Int) -> Double { Double(all.reduce(0) { $0 + value($1) }) }
            #expect(abs(place.ringShare - sum { $0.hops[level] } / members) < 1e-12, "\(what) level \(level)")
            #expect(abs(place.reached - sum { $0.reached[level] } / members) < 1e-9, "\(what) level \(level)")
            #expect(place.mostReached == all.map { $0.mostReached[level] }.max(), "\(what) level \(level)")
            #expect(place.leastMembers == all.map { $0.leastMembers[level] }.min(), "\(what) level \(level)")
        }
        #expect(abs(found.ringLatency - (all.map(\.ringLatency).max() ?? 0)) < 1e-12, "\(what)")
        #expect(abs(found.treeLatency - (all.map(\.treeLatency).max() ?? 0)) < 1e-12, "\(what)")
    }

    @Test func everyGroupMemberByMember() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<600 {
            let size = Int.random(in: 2...20, using: &random)
            let stride = Int.random(in: 1...24, using: &random)
            let repeats = Int.random(in: 1...9, using: &random)
            let node = Int.random(in: 1...16, using: &random)
            var devices = [node]
            if Bool.random(using: &random) { devices.append(node * Int.random(in: 1...8, using: &random)) }
            let groups = RankGroups(size: size, stride: stride, devices: size * stride * repeats)
            check(groups, networks(devices), "size \(size) stride \(stride) repeats \(repeats) on \(devices)")
        }
    }

    /// Groups of one stage, and pairs of ranks in two stages, begin anywhere.
    @Test func groupsOfAStageAndPairs() {
        var random = SplitMix64(seed: 8)
        for _ in 0..<300 {
            let (size, stride) = (Int.random(in: 2...9, using: &random), Int.random(in: 1...9, using: &random))
            let (repeats, rank) = (Int.random(in: 1...4, using: &random), Int.random(in: 0...5, using: &random))
            let stage = size * stride * repeats
            let devices = [Int.random(in: 1...12, using: &random)]
            let what = "size \(size) stride \(stride) stage \(stage) rank \(rank) on \(devices)"
            check(
                RankGroups(size: size, stride: stride, devices: stage, first: rank * stage), networks(devices), what)
            let distance = Int.random(in: 1...6, using: &random)
            check(
                RankGroups.pairs(stage: stage, distance: distance, first: rank * stage), networks(devices),
                "pairs \(distance) apart, " + what)
        }
    }

    /// Where a long group repeats itself it is not walked to its end: the figures of a group of 3,600,000 are those of
    /// one of 360 times 10,000.
    @Test func longGroupsRepeat() {
        var cluster = TestCluster.a100()
        cluster.networks = networks([8])
        let (short, long) = (
            Placement(RankGroups(size: 360, stride: 3), cluster: cluster),
            Placement(RankGroups(size: 3_600_000, stride: 3), cluster: cluster)
        )
        #expect(abs(short.levels[0].ringShare - long.levels[0].ringShare) < 1e-12)
        #expect(short.levels[1].leastMembers == long.levels[1].leastMembers)
        #expect(abs(short.levels[0].reached - long.levels[0].reached) < 1e-9)
    }

    /// Groups that fill nodes, or share them evenly, lie as the degrees say: n devices of a node, so many nodes.
    @Test(arguments: [(8, 1), (16, 1), (4, 2), (2, 4), (64, 8), (8, 16), (4, 1), (32, 4)])
    func alignedGroups(size: Int, stride: Int) {
        var cluster = TestCluster.a100()
        cluster.networks = networks([8])
        let place = Placement(RankGroups(size: size, stride: stride, devices: 4096), cluster: cluster)
        let inside = min(size, max(1, 8 / stride))
        #expect(place.levels[0].mostReached == inside - 1)
        #expect(place.levels[1].mostReached == size - inside)
        if size > inside { #expect(place.levels[1].leastMembers == inside) }
    }

    /// A level joins whole groups of the level inside it; sizes without sense are read as the nearest with some.
    @Test func oddNetworks() {
        for devices in [[0], [-3], [8, 12], [8, 4], [Int.max], [7, 7]] {
            var cluster = TestCluster.a100()
            cluster.networks = networks(devices)
            for size in [1, 2, 12, 1000] {
                let group = DeviceGroup(RankGroups(size: size, stride: 3, devices: 24_000), cluster: cluster)
                #expect(group.allReduce(bytes: 1e9).isFinite)
                #expect(group.gather(bytes: 1e9) >= 0)
            }
        }
        let none = DeviceGroup(RankGroups(size: 0, stride: 0, devices: -1), cluster: TestCluster.a100())
        #expect(none.allReduce(bytes: 1e9) == 0)
    }
}

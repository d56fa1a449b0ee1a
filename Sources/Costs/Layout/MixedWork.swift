internal import Models
internal import Plans
internal import Schedules

/// A pipeline rank's place in a cluster of several groups: its group, and the messages that it sends to ranks of its own
/// and of other groups.
final class GroupPlace: Hashable, Sendable {
    /// Place of the rank's group among the cluster's.
    let group: Int
    /// First pipeline rank of the group.
    let firstRank: Int
    /// Seconds of compute that the rank loses to the activations, and to the gradients, that it sends for one micro-batch.
    let forwardLoss: Double
    let backwardLoss: Double

    init(group: Int, firstRank: Int, forwardLoss: Double, backwardLoss: Double) {
        (self.group, self.firstRank) = (group, firstRank)
        (self.forwardLoss, self.backwardLoss) = (forwardLoss, backwardLoss)
    }

    static func == (a: GroupPlace, b: GroupPlace) -> Bool {
        (a.group, a.firstRank, a.forwardLoss, a.backwardLoss) == (b.group, b.firstRank, b.forwardLoss, b.backwardLoss)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(group)
        hasher.combine(forwardLoss)
        hasher.combine(backwardLoss)
    }
}

/// The works of one layout on a cluster of several groups: one for each place of a rank. The work of a place is that of
/// the whole layout if all devices were those of its group; its ranks take their times and memory from it.
///
/// A class outside the work, so that layouts of one kind of devices carry no list.
final class MixedWork: Sendable {
    let works: [LayoutWork]
    let placeOfRank: [Int]
    let groupOfRank: [Int]
    /// Pipeline rank of each stage.
    let rankOfStage: [Int]
    /// Seconds of compute lost to one message from each stage to the next, or back.
    let losses: [Double]
    /// Seconds from the end of a pass to the arrival of its message at the next stage, or back, without `losses`.
    let flights: [Double]

    init(
        works: [LayoutWork], placeOfRank: [Int], groupOfRank: [Int], rankOfStage: [Int], messages: GroupMessages
    ) {
        self.works = works
        self.placeOfRank = placeOfRank
        self.groupOfRank = groupOfRank
        self.rankOfStage = rankOfStage
        losses = messages.losses
        flights = zip(messages.seconds, messages.losses).map { $0 - $1 }
    }

    /// Mean of the seconds between two stages on different ranks.
    var meanFlight: Double {
        let crossing = flights.indices.filter { rankOfStage[$0] != rankOfStage[$0 + 1] }
        return crossing.isEmpty ? 0 : crossing.reduce(0) { $0 + flights[$1] } / Double(crossing.count)
    }
}

extension LayoutWork {
    /// The work that times and memory of a pipeline rank come from: on a cluster of several groups that of its group.
    package func on(rank: Int) -> LayoutWork { mixed.map { $0.works[$0.placeOfRank[rank]] } ?? self }

    /// Bytes of memory of each device of a pipeline rank.
    package func memoryBytes(rank: Int) -> Double { on(rank: rank).plan.cluster.device.memoryBytes }

    /// The work that times of a kind of ranks come from.
    @inline(__always)
    func on(kind: Int) -> LayoutWork {
        guard let mixed, let places = shares.placeOfKind else { return self }
        return mixed.works[places[kind]]
    }
}

/// The messages between neighbouring stages of a pipeline over several groups. Within a group the slowest pair of
/// neighbouring ranks counts for all; between groups it is the network that joins them.
struct GroupMessages {
    /// Seconds of a message from each stage to the next; 0 if both are on one rank.
    private(set) var seconds: [Double]
    /// Seconds of compute that it costs the sender.
    private(set) var losses: [Double]
    /// Whether each tensor rank sends only its part of a message.
    let isScattered: Bool

    /// - Parameters:
    ///   - devices: the part of a micro-batch on a device of each group.
    ///   - links: the network between groups as pairs of devices of each group use it.
    ///   - lost: fraction of a message's seconds that compute loses while it is on its way.
    init(
        _ layout: Layout, groupOfRank: [Int], rankOfStage: [Int], devices: [DeviceShare], links: [DeviceGroup],
        bytes: Double, lost: Double
    ) {
        func seconds(_ stage: Int, inParts: Bool) -> Double {
            let (a, b) = (rankOfStage[stage], rankOfStage[stage + 1])
            guard a != b else { return 0 }
            let (from, to) = (groupOfRank[a], groupOfRank[b])
            let sent = inParts ? bytes / Double(layout.tensor) : bytes
            var gather = 0.0
            if inParts {
                gather = max(
                    devices[from].tensorGroup.gather(bytes: bytes), devices[to].tensorGroup.gather(bytes: bytes))
            }
            guard from == to else {
                return max(links[from].transfer(bytes: sent), links[to].transfer(bytes: sent)) + gather
            }
            return devices[from].pipelineGroup.transfer(bytes: sent) + gather
        }
        let boundaries = 0..<max(0, rankOfStage.count - 1)
        let whole = boundaries.map { seconds($0, inParts: false) }
        var (chosen, inParts) = (whole, false)
        if layout.tensor > 1, !layout.sequenceParallel {
            let parts = boundaries.map { seconds($0, inParts: true) }
            if parts.reduce(0, +) < whole.reduce(0, +) { (chosen, inParts) = (parts, true) }
        }
        self.seconds = chosen
        losses = chosen.map { lost * $0 }
        isScattered = inParts
    }
}

extension Pricer {
    /// The work of a layout on the cluster's groups, each priced by its own pricer.
    func mixedWork(
        _ layout: Layout, groups: [Pricer], software: String, shape: PipelineShape, layers: [Int],
        hides: Layout.Overlap
    ) throws(CostError) -> LayoutWork {
        guard let cluster = plan.cluster.groups, let stages = StageGroups(cluster, layout) else {
            throw .badLayout(
                "a stage takes \(StageGroups.devices(of: layout)) devices (tensor · context · data), which do not divide "
                    + "the devices of every group of the cluster")
        }
        guard !layout.schedule.isBidirectional else {
            throw .badLayout("\(layout.schedule.rawValue) puts every stage on two ranks, which lie in different groups")
        }
        guard layout.vocabularyParallel == nil else {
            throw .badLayout("a vocabulary divided among pipeline ranks is not priced on groups of unlike devices")
        }
        let places = groups.indices.map { group in
            GroupNetworks(layout, group: group, ranks: stages.ranks(of: group).count, groups: cluster, groups[group])
        }
        let rates = groups.map { $0.rates[software] }
        // One work for each group gives what its devices share: the times of the parts of a stage.
        var first: [LayoutWork] = []
        for (index, pricer) in groups.enumerated() {
            guard let rates = rates[index] else { throw .badPlan("no framework \(software)") }
            first.append(
                LayoutWork(
                    pricer: pricer, rates: rates, layout: layout, shape: shape, layers: layers,
                    shares: first.first?.shares, groups: places[index].groups, hides: hides))
        }
        let rankOfStage = layout.schedule.placement(shape).stageToRank
        let contention = rates[0]?.framework.contention ?? 0
        let messages = GroupMessages(
            layout, groupOfRank: stages.groupOfRank, rankOfStage: rankOfStage, devices: first.map(\.device),
            links: places.map(\.link), bytes: first[0].boundaryBytes,
            lost: shape.ranks > 1 && layout.overlap.pipeline ? min(1, 2 * contention) : 0)
        var (known, placeOfRank): ([GroupPlace], [Int]) = ([], [])
        for (rank, group) in stages.groupOfRank.enumerated() {
            let place = GroupPlace(rank: rank, group, stages, rankOfStage, messages)
            if let index = known.firstIndex(of: place) {
                placeOfRank.append(index)
            } else {
                placeOfRank.append(known.count)
                known.append(place)
            }
        }
        let shares = PipelineShares(
            schedule: layout.schedule, shape: shape, layers: layers, blocks: parts.kinds,
            recomputed: layout.marked, places: placeOfRank)
        let works = known.map { place in
            LayoutWork(first[place.group], shares: shares, place: place, isScattered: messages.isScattered)
        }
        return LayoutWork(
            works[placeOfRank[0]], pricer: self,
            mixed: MixedWork(
                works: works, placeOfRank: placeOfRank, groupOfRank: stages.groupOfRank, rankOfStage: rankOfStage,
                messages: messages))
    }
}

extension GroupPlace {
    /// The place of a rank, whose stages send the `messages`.
    fileprivate convenience init(
        rank: Int, _ group: Int, _ stages: StageGroups, _ rankOfStage: [Int], _ messages: GroupMessages
    ) {
        var (forward, backward): ([Double], [Double]) = ([], [])
        for (stage, holder) in rankOfStage.enumerated() where holder == rank {
            if stage < messages.losses.count { forward.append(messages.losses[stage]) }
            if stage > 0 { backward.append(messages.losses[stage - 1]) }
        }
        /// The sum; of equal numbers as their product, which rounds as other works do.
        func sum(_ losses: [Double]) -> Double {
            let sent = losses.filter { $0 > 0 }
            guard let one = sent.first else { return 0 }
            return sent.allSatisfy { $0 == one } ? Double(sent.count) * one : sent.reduce(0, +)
        }
        self.init(
            group: group, firstRank: stages.firstRank[group], forwardLoss: sum(forward), backwardLoss: sum(backward))
    }
}

/// The groups of devices of a layout within one group of a cluster, and the ways out of it.
private struct GroupNetworks {
    let groups: LayoutGroups
    /// A pair of devices, one of this group, on the network between groups.
    let link: DeviceGroup

    init(_ layout: Layout, group: Int, ranks: Int, groups clusters: ClusterGroups, _ pricer: Pricer) {
        let own = clusters.list[group]
        let levels = pricer.network
        let joining = NetworkLevel.joining(clusters.between, devicesPerNode: own.cluster.devicesPerNode)
        link = DeviceGroup(RankGroups(size: 2, stride: 1), on: [joining])
        var inside = layout
        inside.pipeline = ranks
        groups = LayoutGroups(
            inside, on: levels, ends: link,
            all: DeviceGroup(
                RankGroups(size: layout.devices, stride: 1),
                on: NetworkLevel.joined(levels, by: joining, devices: own.devices)))
    }
}

extension NetworkLevel {
    /// The network between groups as an outermost level of nodes with this many devices.
    static func joining(_ link: GroupLink, devicesPerNode: Int) -> NetworkLevel {
        let network = link.network(devicesPerNode: devicesPerNode)
        let rate = network.bytesPerSecond * network.efficiency
        let allReduce = network.bytesPerSecond * network.allReduceEfficiency
        return NetworkLevel(
            block: .max, rate: rate, reduceRate: network.inNetworkReduction ? rate : allReduce,
            switchRate: network.inNetworkReduction ? allReduce : 0, latency: network.latencySeconds)
    }

    /// The levels of a group of `devices`, joined with others by the level `outer`. A network between groups that is the
    /// same as the one between nodes is one level with it.
    static func joined(_ levels: [NetworkLevel], by outer: NetworkLevel, devices: Int) -> [NetworkLevel] {
        guard var last = levels.last else { return [outer] }
        if last == outer { return levels }
        last.block = max(devices, levels.dropLast().last?.block ?? 1)
        return levels.dropLast() + [last, outer]
    }
}

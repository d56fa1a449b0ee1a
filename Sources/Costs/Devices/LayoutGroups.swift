internal import Plans

/// The groups of ranks that work together in a layout, by rank numbers.
struct LayoutRanks: Sendable {
    /// Ranks that share one layer's matrices.
    let tensor: RankGroups
    /// Ranks that hold the pieces of one sequence.
    let context: RankGroups
    /// Context ranks that exchange heads.
    let contextHeads: RankGroups
    /// Context ranks of one ring.
    let contextRing: RankGroups
    /// Ranks that hold the same parameters. Context-parallel ranks are among them.
    let data: RankGroups
    /// Ranks of `data` that together hold one set of shards.
    let shard: RankGroups
    /// Ranks of `data` that hold the same shard.
    let replica: RankGroups
    /// Ranks that hold the slices of one expert.
    let expertTensor: RankGroups
    /// Ranks that together hold the experts of one block.
    let expert: RankGroups
    /// Ranks that together hold the experts of one block in slices.
    let dispatch: RankGroups
    /// Ranks that hold the same experts.
    let expertCopies: RankGroups
    /// Ranks of `expertCopies` that together hold one set of shards.
    let expertShard: RankGroups
    /// Ranks of `expertCopies` that hold the same shard.
    let expertReplica: RankGroups
    /// Number of ranks of one stage.
    let stage: Int

    /// The groups of all stages, or of one `stage`.
    init(_ layout: Layout, stage index: Int? = nil) {
        let ranks = layout.data * layout.context
        let stage = layout.tensor * ranks
        let devices = index == nil ? stage * layout.pipeline : stage
        func groups(_ size: Int, _ stride: Int) -> RankGroups {
            RankGroups(size: size, stride: stride, devices: devices, first: (index ?? 0) * stage)
        }
        let experts = ExpertGrid(layout)
        let (shards, copies) = (layout.shardRanks, experts.shardedCopies(layout))
        tensor = groups(layout.tensor, 1)
        context = groups(layout.context, layout.tensor)
        contextHeads = groups(layout.headRanks, layout.tensor)
        contextRing = groups(layout.ringRanks, layout.tensor * layout.headRanks)
        dispatch = groups(experts.tensor * experts.expert, 1)
        data = groups(ranks, layout.tensor)
        shard = groups(shards, layout.tensor)
        replica = groups(max(1, ranks / shards), layout.tensor * shards)
        expertTensor = groups(experts.tensor, experts.tensorStride)
        expert = groups(experts.expert, experts.expertStride)
        expertCopies = groups(experts.copies, experts.copyStride)
        expertShard = groups(copies, experts.copyStride)
        expertReplica = groups(max(1, experts.copies / copies), experts.copyStride * copies)
        self.stage = stage
    }
}

/// The groups of devices of a layout on the cluster's networks. Layouts that differ only in micro-batch, schedule,
/// recomputation or sequence parallelism have equal groups.
///
/// A class, because it is large and many values refer to it.
final class LayoutGroups: Sendable {
    let tensor: DeviceGroup
    let context: DeviceGroup
    let data: DeviceGroup
    let shard: DeviceGroup
    let replica: DeviceGroup
    let expertTensor: DeviceGroup
    let expert: DeviceGroup
    let expertShard: DeviceGroup
    let expertReplica: DeviceGroup
    /// Ranks that a micro-batch passes through.
    let pipeline: DeviceGroup
    /// The first and the last rank of a pipeline.
    let ends: DeviceGroup
    /// All devices.
    let all: DeviceGroup
    /// Groups that only some layouts have.
    let exchanges: ExchangeGroups?

    /// The groups of a layout of one device.
    static let alone = LayoutGroups(Layout(), on: [])

    convenience init(_ layout: Layout, on network: [NetworkLevel]) {
        var places = DeviceGroups(network)
        self.init(layout, places: &places)
    }

    /// The first group of each kind that works together on one micro-batch in one block. All other groups are single
    /// devices.
    init(firstOf layout: Layout, places: inout DeviceGroups) {
        let experts = ExpertGrid(layout)
        tensor = places[RankGroups(size: layout.tensor, stride: 1)]
        context = places[RankGroups(size: layout.context, stride: layout.tensor)]
        expertTensor = places[RankGroups(size: experts.tensor, stride: experts.tensorStride)]
        expert = places[RankGroups(size: experts.expert, stride: experts.expertStride)]
        (data, shard, replica, expertShard, expertReplica) = (.alone, .alone, .alone, .alone, .alone)
        (pipeline, ends, all) = (.alone, .alone, .alone)
        exchanges = ExchangeGroups(layout) { places[RankGroups(size: $0.size, stride: $0.stride)] }
    }

    /// All groups of tensor ranks, and of ranks that hold one set of shards of all parameters. All other groups are single
    /// devices.
    init(tensorOf layout: Layout, places: inout DeviceGroups) {
        let ranks = LayoutRanks(layout)
        tensor = places[ranks.tensor]
        shard = layout.sharding == .parameters ? places[ranks.shard] : .alone
        (context, data, replica) = (.alone, .alone, .alone)
        (expertTensor, expert, expertShard, expertReplica) = (.alone, .alone, .alone, .alone)
        (pipeline, ends, all, exchanges) = (.alone, .alone, .alone, nil)
    }

    /// All groups of ranks that share sequences. All other groups are single devices.
    init(contextOf layout: Layout, places: inout DeviceGroups) {
        context = places[LayoutRanks(layout).context]
        (tensor, data, shard, replica) = (.alone, .alone, .alone, .alone)
        (expertTensor, expert, expertShard, expertReplica) = (.alone, .alone, .alone, .alone)
        (pipeline, ends, all) = (.alone, .alone, .alone)
        exchanges = layout.headRanks > 1 ? ExchangeGroups(layout) { places[$0] } : nil
    }

    convenience init(_ layout: Layout, places: inout DeviceGroups) {
        self.init(layout, places: &places, ends: nil, all: nil)
    }

    /// The groups of the ranks of one group of a cluster, whose pipeline's ends and devices reach beyond it.
    convenience init(_ layout: Layout, on network: [NetworkLevel], ends: DeviceGroup, all: DeviceGroup) {
        var places = DeviceGroups(network)
        self.init(layout, places: &places, ends: ends, all: all)
    }

    private init(_ layout: Layout, places: inout DeviceGroups, ends joinedEnds: DeviceGroup?, all joined: DeviceGroup?)
    {
        let ranks = LayoutRanks(layout)
        tensor = places[ranks.tensor]
        context = places[ranks.context]
        data = places[ranks.data]
        shard = places[ranks.shard]
        replica = places[ranks.replica]
        expertTensor = places[ranks.expertTensor]
        expert = places[ranks.expert]
        expertShard = places[ranks.expertShard]
        expertReplica = places[ranks.expertReplica]
        pipeline = places[RankGroups(size: layout.pipeline, stride: ranks.stage)]
        ends = joinedEnds ?? places[RankGroups.pairs(stage: ranks.stage, distance: layout.pipeline - 1)]
        all = joined ?? places[RankGroups(size: layout.devices, stride: 1)]
        exchanges = ExchangeGroups(layout) { places[$0] }
    }
}

/// A cache of groups by their ranks, since a search asks for the same few groups again and again.
struct DeviceGroups {
    private let network: [NetworkLevel]
    private var known: [RankGroups: DeviceGroup] = [:]

    init(_ network: [NetworkLevel]) { self.network = network }

    subscript(groups: RankGroups) -> DeviceGroup {
        mutating get {
            guard groups.size > 1 else { return .alone }
            if let group = known[groups] { return group }
            let group = DeviceGroup(groups, on: network)
            known[groups] = group
            return group
        }
    }
}

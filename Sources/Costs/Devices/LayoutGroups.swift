internal import Plans

/// Which ranks work together in a layout, whatever its micro-batch.
struct LayoutRanks: Sendable {
    /// Ranks that share one layer's matrices, and those that hold the pieces of a sequence.
    let tensor: RankGroups
    let context: RankGroups
    /// Ranks that hold the same parameters, those of context parallelism included.
    let data: RankGroups
    /// Groups among the ranks of `data`: those that hold one set of shards between them, and those that hold the same shard.
    let shard: RankGroups
    let replica: RankGroups
    /// Ranks that hold the pieces of one expert, and those that hold the experts of one block between them.
    let expertTensor: RankGroups
    let expert: RankGroups
    /// Ranks that hold the same experts. Within them: groups that hold one set of shards, and groups with the same shard.
    let expertCopies: RankGroups
    let expertShard: RankGroups
    let expertReplica: RankGroups
    /// Ranks of one stage.
    let stage: Int

    /// The groups of all stages, or of `stage` alone.
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

/// The groups of a layout on the cluster's networks: one set for all layouts that differ in nothing but the micro-batch
/// and how it is worked on.
struct LayoutGroups: Sendable {
    let tensor: DeviceGroup
    let context: DeviceGroup
    let data: DeviceGroup
    let shard: DeviceGroup
    let replica: DeviceGroup
    let expertTensor: DeviceGroup
    let expert: DeviceGroup
    let expertShard: DeviceGroup
    let expertReplica: DeviceGroup
    /// Ranks a micro-batch travels through.
    let pipeline: DeviceGroup
    /// The first and the last rank of a pipeline.
    let ends: DeviceGroup
    /// All devices.
    let all: DeviceGroup

    init(_ layout: Layout, on network: [NetworkLevel]) {
        var places = DeviceGroups(network)
        self.init(layout, places: &places)
    }

    /// The first of each kind of group that works on one micro-batch in one block; nothing of the others.
    init(firstOf layout: Layout, on network: [NetworkLevel]) {
        func group(_ size: Int, _ stride: Int) -> DeviceGroup {
            DeviceGroup(RankGroups(size: size, stride: stride), on: network)
        }
        let experts = ExpertGrid(layout)
        tensor = group(layout.tensor, 1)
        context = group(layout.context, layout.tensor)
        expertTensor = group(experts.tensor, experts.tensorStride)
        expert = group(experts.expert, experts.expertStride)
        (data, shard, replica, expertShard, expertReplica) = (.alone, .alone, .alone, .alone, .alone)
        (pipeline, ends, all) = (.alone, .alone, .alone)
    }

    init(_ layout: Layout, places: inout DeviceGroups) {
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
        ends = places[RankGroups.pairs(stage: ranks.stage, distance: layout.pipeline - 1)]
        all = places[RankGroups(size: layout.devices, stride: 1)]
    }
}

/// Groups whose places were counted already: a search asks for few kinds, again and again.
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

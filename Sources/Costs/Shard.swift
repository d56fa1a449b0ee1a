package import Plans

/// What of a layout the times of one block depend on, with the groups that work on it.
package struct Shard: Sendable {
    let tensor: Double
    let context: Double
    /// Rows of the micro-batch on one device, b·s/c.
    let tokens: Double
    /// Divisor of what sequence parallelism shares out.
    let sequenceShare: Double
    let sequenceParallel: Bool
    let flashAttention: Bool
    private(set) var recompute: Layout.Recompute
    let overlap: Layout.Overlap
    let sharding: Layout.Sharding
    let dropout: Bool
    /// Padded vocabulary.
    let vocabulary: Int
    let tensorGroup: DeviceGroup
    let contextGroup: DeviceGroup
    /// Data-parallel ranks, those of context parallelism included: they hold the same parameters.
    let dataGroup: DeviceGroup
    /// Those that hold one set of shards, and those that hold the same shard.
    let shardGroup: DeviceGroup
    let replicaGroup: DeviceGroup
    let pipelineGroup: DeviceGroup
    /// Ranks that hold the experts of one block between them, and those that hold the pieces of one expert.
    let expertGroup: DeviceGroup
    let expertTensorGroup: DeviceGroup
    /// Ranks that hold one set of shards of the same experts, and those that hold the same shard.
    let expertShardGroup: DeviceGroup
    let expertReplicaGroup: DeviceGroup
    let expert: Double
    let expertTensor: Double

    /// Pairs of tensor-parallel collectives in a pass of a block. With sequence parallelism routed tokens stay scattered
    /// over the tensor ranks; only shared experts gather them.
    func collectivePairs(of experts: Model.Mixture? = nil) -> Double {
        guard tensor > 1 else { return 0 }
        return experts.map { $0.shared > 0 || !sequenceParallel } ?? true ? 2 : 1
    }

    /// Parameters of a block that one device holds before they are shared out: routed experts', and all others.
    func held(of block: BlockParameters) -> (dense: Double, experts: Double) {
        (block.perDevice(tensor: Int(tensor)), block.experts / (expert * expertTensor))
    }

    /// The same without recomputation.
    var keepingEverything: Shard {
        var shard = self
        shard.recompute = .none
        return shard
    }

    package init(plan: Plan, layout: Layout, vocabulary: Int, dropout: Bool) {
        tensor = Double(layout.tensor)
        context = Double(layout.context)
        tokens = Double(layout.microbatch) * Double(plan.model.sequence) / context
        sequenceParallel = layout.sequenceParallel && layout.tensor > 1
        sequenceShare = sequenceParallel ? tensor : 1
        flashAttention = layout.flashAttention
        recompute = layout.recompute
        overlap = layout.overlap
        sharding = layout.sharding
        self.dropout = dropout
        self.vocabulary = vocabulary
        let cluster = plan.cluster
        tensorGroup = DeviceGroup(size: layout.tensor, stride: 1, cluster: cluster)
        contextGroup = DeviceGroup(size: layout.context, stride: layout.tensor, cluster: cluster)
        dataGroup = DeviceGroup(size: layout.data * layout.context, stride: layout.tensor, cluster: cluster)
        let (ranks, shards) = (layout.data * layout.context, layout.shardRanks)
        shardGroup = DeviceGroup(size: shards, stride: layout.tensor, cluster: cluster)
        replicaGroup = DeviceGroup(size: max(1, ranks / shards), stride: layout.tensor * shards, cluster: cluster)
        (expert, expertTensor) = (Double(layout.expert), Double(layout.expertTensor))
        let experts = ExpertGrid(layout)
        expertTensorGroup = DeviceGroup(size: experts.tensor, stride: experts.tensorStride, cluster: cluster)
        expertGroup = DeviceGroup(size: experts.expert, stride: experts.expertStride, cluster: cluster)
        let copies = experts.shardedCopies(layout)
        expertShardGroup = DeviceGroup(size: copies, stride: experts.copyStride, cluster: cluster)
        expertReplicaGroup = DeviceGroup(
            size: max(1, experts.copies / copies), stride: experts.copyStride * copies, cluster: cluster)
        pipelineGroup = DeviceGroup(
            size: layout.pipeline, stride: layout.tensor * layout.context * layout.data, cluster: cluster)
    }
}

internal import Models
internal import Numbers
internal import Plans
internal import Schedules

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
    /// The groups that work together.
    let groups: LayoutGroups
    let expert: Double
    let expertTensor: Double

    var tensorGroup: DeviceGroup { groups.tensor }
    var contextGroup: DeviceGroup { groups.context }
    /// Data-parallel ranks, those of context parallelism included: they hold the same parameters.
    var dataGroup: DeviceGroup { groups.data }
    /// Those that hold one set of shards, and those that hold the same shard.
    var shardGroup: DeviceGroup { groups.shard }
    var replicaGroup: DeviceGroup { groups.replica }
    var pipelineGroup: DeviceGroup { groups.pipeline }
    /// Ranks that hold the experts of one block between them, and those that hold the pieces of one expert.
    var expertGroup: DeviceGroup { groups.expert }
    var expertTensorGroup: DeviceGroup { groups.expertTensor }
    /// Ranks that hold one set of shards of the same experts, and those that hold the same shard.
    var expertShardGroup: DeviceGroup { groups.expertShard }
    var expertReplicaGroup: DeviceGroup { groups.expertReplica }

    /// Parameters of a block that one device holds before they are shared out: routed experts', and all others.
    func held(of block: Block) -> (dense: Double, experts: Double) {
        (block.held(tensor: tensor), Double(block.expertParameters) / (expert * expertTensor))
    }

    /// How the ranks of a stage divide a block with experts of `mixture`, or one without.
    func division(_ mixture: Model.Mixture?) -> Division {
        Division(
            tokens: tokens, tensor: tensor, sequence: sequenceShare, expertTensor: expertTensor, mixture: mixture)
    }

    /// This device's share of the work with all activations kept, nothing recomputed.
    var keepingEverything: Shard {
        var shard = self
        shard.recompute = .none
        return shard
    }

    init(plan: Plan, layout: Layout, groups: LayoutGroups, vocabulary: Int, dropout: Bool) {
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
        self.groups = groups
        (expert, expertTensor) = (Double(layout.expert), Double(layout.expertTensor))
    }
}

internal import Models
internal import Numbers
internal import Plans
internal import Schedules

/// One device's part of a micro-batch and of a block, and the groups of devices that it works with. The times of a
/// block depend on nothing else in a layout.
package struct DeviceShare: Sendable {
    let tensor: Double
    let context: Double
    /// Rows of the micro-batch on one device, b·s/c.
    let tokens: Double
    /// Tensor ranks that divide the rows of norms, dropout and residual sums: t with sequence parallelism, else 1.
    let sequenceShare: Double
    let sequenceParallel: Bool
    let flashAttention: Bool
    private(set) var recompute: Layout.Recompute
    /// The modules that are recomputed by themselves.
    private(set) var modules: RecomputeModules
    let overlap: Layout.Overlap
    let sharding: Layout.Sharding
    /// Whether the replicas of a shard shard the optimizer's state among themselves.
    let shardsOuter: Bool
    let dropout: Bool
    let loss: LossComputation
    /// Vocabulary, padded so that tensor ranks hold equal parts.
    let vocabulary: Int
    /// The groups of devices that work together.
    let groups: LayoutGroups
    let expert: Double
    let expertTensor: Double
    let contextExchange: Layout.ContextExchange
    /// The way by which rows reach their experts; nil: the software's own.
    let dispatcher: Layout.Dispatcher?
    /// Context ranks that exchange heads; 1 if none do.
    let headRanks: Int
    /// Context ranks of one ring.
    let ringRanks: Int
    /// Samples and rows of a text, for each row.
    let shares: RowShares
    /// What the device copies to its host and back; nil: nothing.
    let copies: HostCopies?

    var tensorGroup: DeviceGroup { groups.tensor }
    var contextGroup: DeviceGroup { groups.context }
    /// Context ranks that exchange heads.
    var contextHeads: DeviceGroup { groups.exchanges?.contextHeads ?? .alone }
    /// Context ranks of one ring: all of them, or one of each group that exchanges heads.
    var contextRing: DeviceGroup { headRanks > 1 ? groups.exchanges?.contextRing ?? .alone : groups.context }
    /// Ranks that hold the same parameters: data-parallel ranks and those of context parallelism.
    var dataGroup: DeviceGroup { groups.data }
    /// Ranks that together hold one set of shards.
    var shardGroup: DeviceGroup { groups.shard }
    /// Ranks that hold the same shard.
    var replicaGroup: DeviceGroup { groups.replica }
    var pipelineGroup: DeviceGroup { groups.pipeline }
    /// Ranks that together hold the experts of one block.
    var expertGroup: DeviceGroup { groups.expert }
    /// Ranks that together hold the experts of one block in slices.
    var dispatchGroup: DeviceGroup {
        expert == 1 ? groups.expertTensor : expertTensor == 1 ? groups.expert : groups.exchanges?.dispatch ?? .alone
    }
    /// Ranks that hold the slices of one expert.
    var expertTensorGroup: DeviceGroup { groups.expertTensor }
    /// Ranks that together hold one set of shards of the same experts.
    var expertShardGroup: DeviceGroup { groups.expertShard }
    /// Ranks that hold the same shard of the same experts.
    var expertReplicaGroup: DeviceGroup { groups.expertReplica }

    /// Ranks that together hold one set of optimizer shards of the same experts.
    var expertOptimizerRanks: Int {
        expertShardGroup.size * (shardsOuter ? expertReplicaGroup.size : 1)
    }

    /// Whether weights come from other ranks for every pass.
    var gathersWeights: Bool { sharding == .parameters && shardGroup.size > 1 }

    /// Seconds in which the replicas of a shard add up its gradients of `bytes`: on every rank, or for its part of the
    /// optimizer's state.
    func addReplicas(_ replicas: DeviceGroup, bytes: Double) -> Double {
        shardsOuter ? replicas.gather(bytes: bytes) : replicas.allReduce(bytes: bytes)
    }

    /// Parameters of a block on one device before sharding: those of routed experts, and all others (`dense`).
    func held(of block: Block) -> (dense: Double, experts: Double) {
        held(block.parameters)
    }

    /// Parameters of a block with these `parameters` that one device holds before sharding.
    func held(_ parameters: BlockParameters) -> (dense: Double, experts: Double) {
        (parameters.held(tensor: tensor), parameters.heldExperts(pieces: expert * expertTensor))
    }

    /// Bytes of a block's weights on one device before sharding, as they are stored.
    /// - Parameter w: bytes of a weight that is not quantized.
    func storedBytes(of block: Block, elementBytes w: Double) -> (dense: Double, experts: Double) {
        let held = held(of: block)
        guard let tuned = block.tuned, let bytes = tuned.quantizedBytes else {
            return (w * held.dense, w * held.experts)
        }
        let few = self.held(tuned.quantized)
        return (
            w * (held.dense - few.dense) + bytes * few.dense, w * (held.experts - few.experts) + bytes * few.experts
        )
    }

    /// The division of a block with the experts `mixture` among the ranks of a stage; nil: a dense block, or an end of
    /// the model.
    func division(_ mixture: Model.Mixture?) -> Division {
        Division(
            tokens: tokens, tensor: tensor, sequence: sequenceShare, expertTensor: expertTensor, mixture: mixture,
            vocabulary: vocabulary, shares: shares)
    }

    /// Bytes of the fp32 states that a rank hands to the other ranks of its sequences, for one block and micro-batch.
    func stateBytes(_ scan: Scan, sequence: Int) -> Double {
        4 * Double(scan.state) / tensor * (tokens * context / Double(sequence))
    }

    /// The device's part of the work if nothing is recomputed.
    var keepingEverything: DeviceShare {
        var share = self
        share.recompute = .none
        share.modules = .nothing
        return share
    }

    init(
        plan: Plan, layout: Layout, groups: LayoutGroups, vocabulary: Int, dropout: Bool, fusesNorms: Bool
    ) {
        self.init(
            sequence: plan.model.sequence, loss: plan.loss,
            shares: RowShares(plan.model, context: Double(layout.context)), layout: layout, groups: groups,
            vocabulary: vocabulary, dropout: dropout, fusesNorms: fusesNorms)
    }

    /// - Parameters:
    ///   - sequence: tokens of a sequence.
    ///   - fusesNorms: whether the layout's software runs norms inside the products behind them.
    init(
        sequence: Int, loss: LossComputation, shares: RowShares, layout: Layout, groups: LayoutGroups, vocabulary: Int,
        dropout: Bool, fusesNorms: Bool,
        copies: HostCopies? = nil
    ) {
        self.copies = copies
        tensor = Double(layout.tensor)
        context = Double(layout.context)
        tokens = Double(layout.microbatch) * Double(sequence) / context
        sequenceParallel = layout.sequenceParallel && layout.tensor > 1
        sequenceShare = sequenceParallel ? tensor : 1
        flashAttention = layout.flashAttention
        recompute = layout.recompute
        modules = layout.modulesAgain.recomputed(fusesNorms: fusesNorms)
        overlap = layout.overlap
        sharding = layout.sharding
        shardsOuter = layout.sharesOptimizer
        self.dropout = dropout
        self.loss = loss
        self.vocabulary = vocabulary
        self.groups = groups
        (expert, expertTensor) = (Double(layout.expert), Double(layout.expertTensor))
        (contextExchange, headRanks, ringRanks) = (layout.contextExchange, layout.headRanks, layout.ringRanks)
        dispatcher = layout.dispatcher
        self.shares = shares
    }
}

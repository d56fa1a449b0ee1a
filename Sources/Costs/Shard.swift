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
    let recompute: Layout.Recompute
    let overlap: Layout.Overlap
    let sharding: Layout.Sharding
    let dropout: Bool
    /// Padded vocabulary.
    let vocabulary: Int
    let tensorGroup: DeviceGroup
    let contextGroup: DeviceGroup
    /// Data-parallel ranks, those of context parallelism included: they hold the same parameters.
    let dataGroup: DeviceGroup
    let pipelineGroup: DeviceGroup

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
        pipelineGroup = DeviceGroup(
            size: layout.pipeline, stride: layout.tensor * layout.context * layout.data, cluster: cluster)
    }
}

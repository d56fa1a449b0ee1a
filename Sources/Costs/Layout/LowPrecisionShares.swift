internal import Models
internal import Plans

extension LowPrecision {
    /// Such parameters on one device of a rank with this `share`, without the blocks in bf16.
    static func parameters(of share: PipelineShares.Rank, _ work: LayoutWork) -> (dense: Double, experts: Double) {
        guard let recipe = work.rates.recipe else { return (0, 0) }
        var counts = share.blocks
        // Modules of multi-token prediction are no layers.
        let kinds = work.parts.kinds.kindOfBlock.prefix(work.model.layers)
        if share.holdsEmbedding { for kind in kinds.prefix(recipe.bf16LayersAtStart) { counts[kind] -= 1 } }
        if share.holdsHead { for kind in kinds.suffix(recipe.bf16LayersAtEnd) { counts[kind] -= 1 } }
        var sum = (dense: 0.0, experts: 0.0)
        for (count, block) in zip(counts, work.parts.blocks) where count > 0 {
            let one = parameters(block, work.device)
            sum.dense += Double(count) * one.dense
            sum.experts += Double(count) * one.experts
        }
        return sum
    }

    /// Bytes of the copies of all weights of a rank. Fully sharded weights have copies only while they are gathered.
    static func weights(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard work.rates.recipe != nil, !isGathered(work.layout) else { return 0 }
        let held = parameters(of: share, work)
        return copyBytes(work.rates) * (held.dense + held.experts)
    }

    /// Parameters of a rank that are cast after its update, once a step. Fully sharded ones are cast in every pass.
    static func castParameters(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard work.rates.recipe != nil, !isGathered(work.layout) else { return 0 }
        let held = parameters(of: share, work)
        return held.dense + held.experts
    }
}

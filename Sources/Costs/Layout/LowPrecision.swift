internal import Models
internal import Plans

/// Weights of products in 8 or 4 bits, and the bytes of their copies.
enum LowPrecision {
    /// Whether `product` gives the scores of experts, which are computed in a higher precision.
    static func isRouter(_ product: Product, _ block: Block) -> Bool {
        guard let mixture = block.mixture else { return false }
        return product.rows == .own && product.outputs == Width(whole: mixture.experts)
    }

    /// Parameters of a block on one device that products in the low format read: those of routed experts, and all others.
    static func parameters(_ block: Block, _ device: DeviceShare) -> (dense: Double, experts: Double) {
        let dense = block.products.reduce(0.0) { sum, product in
            guard !isRouter(product, block) else { return sum }
            let isCut = product.inputs.cut > 0 || product.outputs.cut > 0
            return sum + product.weights / (isCut ? device.tensor : 1)
        }
        let experts = Double(block.mixture?.experts ?? 0) * block.expertProducts.weights
        return (dense, experts / (device.expert * device.expertTensor))
    }

    /// Such parameters on one device of a rank with this `share`, without the blocks in bf16.
    static func parameters(of share: PipelineShares.Rank, _ work: LayoutWork) -> (dense: Double, experts: Double) {
        guard let recipe = work.rates.recipe else { return (0, 0) }
        var counts = share.blocks
        let kinds = work.parts.kinds.kindOfBlock
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

    /// Bytes of the copies of a weight in addition to the kept bf16 weight, which parameters that are gathered in the
    /// low format do not have.
    static func copyBytes(_ rates: DeviceRates) -> Double {
        guard let recipe = rates.recipe else { return 0 }
        return rates.weightCopies * recipe.weightBytes - (recipe.parameterGather ? 2 : 0)
    }

    /// Bytes of the copies of all weights of a rank. Fully sharded weights have copies only while they are gathered.
    static func weights(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard work.rates.recipe != nil, work.layout.sharding != .parameters else { return 0 }
        let held = parameters(of: share, work)
        return copyBytes(work.rates) * (held.dense + held.experts)
    }

    /// Bytes that casting a weight moves.
    static func castBytes(_ rates: DeviceRates) -> Double {
        guard let recipe = rates.recipe else { return 0 }
        return 2 * recipe.reads + rates.weightCopies * recipe.weightBytes
    }

    /// Parameters of a rank that are cast after its update, once a step. Fully sharded ones are cast in every pass.
    static func castParameters(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard work.rates.recipe != nil, work.layout.sharding != .parameters else { return 0 }
        let held = parameters(of: share, work)
        return held.dense + held.experts
    }
}

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
    /// Products of adapters are in 16 bits (Megatron-Bridge, `lora_layers.py`: `fp8_autocast(enabled=False)`).
    static func parameters(_ block: Block, _ device: DeviceShare) -> (dense: Double, experts: Double) {
        let dense = block.ownProducts.reduce(0.0) { sum, product in
            guard !isRouter(product, block) else { return sum }
            let isCut = product.inputs.cut > 0 || product.outputs.cut > 0
            return sum + product.weights / (isCut ? device.tensor : 1)
        }
        let experts = Double(block.mixture?.experts ?? 0) * Array(block.ownExpertProducts).weights
        return (dense, experts / (device.expert * device.expertTensor))
    }

    /// Bytes of the copies of a weight in addition to the kept bf16 weight, which parameters that are gathered in the
    /// low format do not have.
    static func copyBytes(_ rates: DeviceRates) -> Double {
        guard let recipe = rates.recipe else { return 0 }
        return rates.weightCopies * recipe.weightBytes - (recipe.parameterGather ? 2 : 0)
    }

    /// Whether weights are gathered, and cast, for every pass.
    static func isGathered(_ layout: Layout) -> Bool { layout.sharding == .parameters && layout.shardRanks > 1 }

    /// Bytes that casting a weight moves.
    static func castBytes(_ rates: DeviceRates) -> Double {
        guard let recipe = rates.recipe else { return 0 }
        let reads = rates.framework.fusedCasts ? recipe.reads : max(recipe.reads, rates.weightCopies)
        return 2 * reads + rates.weightCopies * recipe.weightBytes
    }
}

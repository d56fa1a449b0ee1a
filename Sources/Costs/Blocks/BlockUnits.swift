internal import Models
internal import Plans

/// Times of one micro-batch through everything a stage is made of.
package struct BlockUnits: Hashable, Sendable {
    /// A dense block, recomputed as the layout says.
    package var block = UnitTimes()
    /// A block with experts; `block` in a dense model.
    package var mixtureBlock = UnitTimes()
    /// Blocks that keep all activations, dense and with experts, in a layout that recomputes only some blocks.
    package var plainBlock = UnitTimes()
    package var plainMixtureBlock = UnitTimes()
    package var embedding = UnitTimes()
    package var head = UnitTimes()

    package init() {}

    init(model: Model, parts: ModelParts, rates: DeviceRates, shard: Shard, gradientBytes: Double, plain: Bool) {
        func times(_ shard: Shard) -> (block: UnitTimes, mixture: UnitTimes) {
            func unit(_ block: Block) -> UnitTimes {
                BlockTimes(
                    block: block, sequence: model.sequence, rates: rates, shard: shard,
                    gradientBytes: gradientBytes
                ).unit()
            }
            let dense = unit(parts.dense)
            return (dense, parts.mixture.map(unit) ?? dense)
        }
        (block, mixtureBlock) = times(shard)
        (plainBlock, plainMixtureBlock) = plain ? times(shard.keepingEverything) : (block, mixtureBlock)
        let ends = EndTimes(model: model, parts: parts, rates: rates, shard: shard, gradientBytes: gradientBytes)
        embedding = ends.embedding()
        head = ends.head()
    }

    /// These blocks; `partly`: only those are recomputed that `held` says, and the others keep everything.
    func blocks(_ held: HeldBlocks, partly: Bool) -> UnitTimes {
        guard partly else {
            guard held.mixtures > 0 else { return held.dense * block }
            return held.dense * block + held.mixtures * mixtureBlock
        }
        var times = held.dense * plainBlock + held.recomputed * block
        if held.mixtures + held.recomputedMixtures > 0 {
            times = times + held.mixtures * plainMixtureBlock + held.recomputedMixtures * mixtureBlock
        }
        return times
    }
}

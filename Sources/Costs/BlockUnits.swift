internal import Plans

/// Times of one micro-batch through everything a stage is made of.
package struct BlockUnits: Hashable, Sendable {
    /// A dense block, recomputed as the layout says.
    package var block = UnitTimes()
    /// A block with experts; `block` in a dense model.
    package var mixtureBlock = UnitTimes()
    /// The same blocks where the layout recomputes only some: those that keep everything.
    package var plainBlock = UnitTimes()
    package var plainMixtureBlock = UnitTimes()
    package var embedding = UnitTimes()
    package var head = UnitTimes()

    package init() {}

    init(model: Model, rates: DeviceRates, shard: Shard, gradientBytes: Double, plain: Bool) {
        let times = BlockTimes(model: model, rates: rates, shard: shard, gradientBytes: gradientBytes)
        block = times.unit()
        mixtureBlock = model.moe.map { times.unit(experts: $0) } ?? block
        if plain {
            let times = BlockTimes(
                model: model, rates: rates, shard: shard.keepingEverything, gradientBytes: gradientBytes)
            plainBlock = times.unit()
            plainMixtureBlock = model.moe.map { times.unit(experts: $0) } ?? plainBlock
        } else {
            (plainBlock, plainMixtureBlock) = (block, mixtureBlock)
        }
        let ends = EndTimes(model: model, rates: rates, shard: shard, gradientBytes: gradientBytes)
        embedding = ends.embedding()
        head = ends.head()
    }

    /// `layers` blocks, `mixtures` of them with experts; `partly`: of these only `recomputed` and `recomputedMixtures`
    /// are recomputed.
    func blocks(
        layers: Int, mixtures: Int, partly: Bool, recomputed: Int = 0, recomputedMixtures: Int = 0
    ) -> UnitTimes {
        guard partly else {
            guard mixtures > 0 else { return Double(layers) * block }
            return Double(layers - mixtures) * block + Double(mixtures) * mixtureBlock
        }
        var times = Double(layers - mixtures - recomputed) * plainBlock + Double(recomputed) * block
        if mixtures > 0 {
            times =
                times + Double(mixtures - recomputedMixtures) * plainMixtureBlock
                + Double(recomputedMixtures) * mixtureBlock
        }
        return times
    }
}

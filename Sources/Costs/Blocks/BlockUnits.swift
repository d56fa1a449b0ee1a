internal import Models
internal import Plans

/// Times of one micro-batch through each part of a stage.
package struct BlockUnits: Hashable, Sendable {
    /// A dense block, with the layout's recomputation.
    package var block = UnitTimes()
    /// A block with experts; equal to `block` in a dense model.
    package var mixtureBlock = UnitTimes()
    /// A dense block that keeps all activations, for layouts that recompute only some blocks.
    package var plainBlock = UnitTimes()
    /// A block with experts that keeps all activations, for layouts that recompute only some blocks.
    package var plainMixtureBlock = UnitTimes()
    package var embedding = UnitTimes()
    package var head = UnitTimes()

    package init() {}

    init(model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare, gradientBytes: Double, plain: Bool) {
        func times(_ device: DeviceShare) -> (block: UnitTimes, mixture: UnitTimes) {
            func unit(_ block: Block) -> UnitTimes {
                BlockTimes(
                    block: block, sequence: model.sequence, rates: rates, device: device,
                    gradientBytes: gradientBytes
                ).unit()
            }
            let dense = unit(parts.dense)
            return (dense, parts.mixture.map(unit) ?? dense)
        }
        (block, mixtureBlock) = times(device)
        (plainBlock, plainMixtureBlock) = plain ? times(device.keepingEverything) : (block, mixtureBlock)
        func unit(_ end: End) -> UnitTimes {
            EndTimes(end: end, rates: rates, device: device, gradientBytes: gradientBytes).unit()
        }
        embedding = unit(parts.embedding)
        head = unit(parts.head)
    }
}

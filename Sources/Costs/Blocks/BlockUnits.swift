internal import Models
internal import Plans

/// Times of one micro-batch through each part of a stage.
package struct BlockUnits: Hashable, Sendable {
    /// Blocks of each kind, with the layout's recomputation.
    package var blocks: [UnitTimes] = []
    /// Blocks of each kind that keep all activations, for layouts that recompute only some blocks.
    package var plainBlocks: [UnitTimes] = []
    package var embedding = UnitTimes()
    package var head = UnitTimes()

    package init() {}

    init(model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare, gradientBytes: Double, plain: Bool) {
        func times(_ device: DeviceShare) -> [UnitTimes] {
            parts.blocks.map {
                BlockTimes(
                    block: $0, sequence: model.sequence, rates: rates, device: device, gradientBytes: gradientBytes
                ).unit()
            }
        }
        blocks = times(device)
        plainBlocks = plain ? times(device.keepingEverything) : blocks
        func unit(_ end: End) -> UnitTimes {
            EndTimes(end: end, rates: rates, device: device, gradientBytes: gradientBytes).unit()
        }
        embedding = unit(parts.embedding)
        head = unit(parts.head)
    }
}

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
    /// Seconds of copying the activations of a block of each kind to the host, if only some blocks' are; else empty.
    package var copies: [Double] = []

    package init() {}

    /// - Parameters:
    ///   - plain: whether some blocks keep all activations while others are recomputed.
    ///   - high: the blocks that a recipe leaves in bf16; nil: none.
    ///   - inside: the part of the times that does not depend on sharding; nil: computed here.
    init(
        model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare, gradientBytes: Double, plain: Bool,
        high: HighBlocks? = nil, inside: InsideUnits? = nil
    ) {
        func times(_ device: DeviceShare, _ rates: DeviceRates, _ inside: [BlockTimes.Inside]?) -> [UnitTimes] {
            parts.blocks.indices.map { index in
                BlockTimes(
                    block: parts.blocks[index], sequence: model.sequence, rates: rates, device: device,
                    gradientBytes: gradientBytes
                ).unit(inside?[index])
            }
        }
        blocks = times(device, rates, inside?.blocks)
        plainBlocks = plain ? times(device.keepingEverything, rates, inside?.plainBlocks) : blocks
        func unit(_ end: End, _ inside: UnitTimes?) -> UnitTimes {
            EndTimes(end: end, rates: rates, device: device, gradientBytes: gradientBytes).unit(inside)
        }
        embedding = unit(parts.embedding, inside?.embedding)
        head = unit(parts.head, inside?.head)
        if case .first? = device.copies?.offload.activations {
            copies = parts.blocks.map {
                BlockTimes(
                    block: $0, sequence: model.sequence, rates: rates, device: device, gradientBytes: gradientBytes
                ).activationCopy
            }
        }
        guard let high, let rates = rates.bf16Blocks else { return }
        // Blocks in bf16 take longer than others. They stand at the model's ends, and their stages have them in addition.
        let others = times(device, rates, nil)
        let plainOthers = plain ? times(device.keepingEverything, rates, nil) : others
        func more(_ block: HighBlocks.One) -> UnitTimes {
            block.isPlain
                ? plainOthers[block.kind] + -1 * plainBlocks[block.kind] : others[block.kind] + -1 * blocks[block.kind]
        }
        for block in high.start { embedding = embedding + more(block) }
        for block in high.end { head = head + more(block) }
    }
}

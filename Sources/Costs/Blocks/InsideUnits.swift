internal import Models
internal import Plans

/// Times of the parts of a stage without transfers of sharded parameters, copies to the host and waiting for it.
/// `KnownInsides` holds them for layouts that share them.
final class InsideUnits: Sendable {
    let blocks: [BlockTimes.Inside]
    /// Blocks that keep all activations; empty if all blocks are alike.
    let plainBlocks: [BlockTimes.Inside]
    let embedding: UnitTimes
    let head: UnitTimes

    /// Parameters are those of `BlockUnits`.
    init(
        model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare, gradientBytes: Double, plain: Bool
    ) {
        func blocks(_ device: DeviceShare) -> [BlockTimes.Inside] {
            parts.blocks.map {
                BlockTimes(
                    block: $0, sequence: model.sequence, rates: rates, device: device, gradientBytes: gradientBytes
                ).inside()
            }
        }
        func end(_ end: End) -> UnitTimes {
            EndTimes(end: end, rates: rates, device: device, gradientBytes: gradientBytes).inside()
        }
        self.blocks = blocks(device)
        plainBlocks = plain ? blocks(device.keepingEverything) : []
        (embedding, head) = (end(parts.embedding), end(parts.head))
    }
}

/// Times of stages that a search computed for some layouts, for other layouts with the same degrees on the same software.
/// Sharding does not change them.
final class KnownInsides {
    /// Everything but degrees and software that the times depend on.
    private struct Key: Hashable {
        var tokens: Double
        var sequenceParallel: Bool
        var recompute: Layout.Recompute
        var overlap: Layout.Overlap
        var gradientBytes: Double
        var plain: Bool
        /// Whether a recipe casts the weights that are gathered for a pass.
        var gathersWeights: Bool
    }

    private var known: [Key: InsideUnits] = [:]

    /// Forgets everything: the degrees change.
    func removeAll() { known.removeAll(keepingCapacity: true) }

    /// The times of a stage on `device`; from `compute` if they are not known yet.
    func units(
        _ device: DeviceShare, gradientBytes: Double, plain: Bool, _ compute: () -> InsideUnits
    ) -> InsideUnits {
        let key = Key(
            tokens: device.tokens, sequenceParallel: device.sequenceParallel, recompute: device.recompute,
            overlap: device.overlap, gradientBytes: gradientBytes, plain: plain,
            gathersWeights: device.gathersWeights)
        if let units = known[key] { return units }
        let units = compute()
        known[key] = units
        return units
    }
}

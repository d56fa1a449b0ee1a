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
    /// - Parameter work: the work on the device itself; nil: computed here.
    init(
        model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare, gradientBytes: Double, plain: Bool,
        work known: WorkUnits? = nil
    ) {
        let work =
            known ?? WorkUnits(model: model, parts: parts, rates: rates, device: device, gradientBytes: gradientBytes)
        func blocks(_ device: DeviceShare) -> [BlockTimes.Inside] {
            parts.blocks.indices.map {
                BlockTimes(
                    block: parts.blocks[$0], sequence: model.sequence, rates: rates, device: device,
                    gradientBytes: gradientBytes
                ).inside(work.blocks[$0])
            }
        }
        func end(_ end: End, _ work: UnitTimes) -> UnitTimes {
            EndTimes(end: end, rates: rates, device: device, gradientBytes: gradientBytes).inside(work)
        }
        self.blocks = blocks(device)
        plainBlocks = plain ? blocks(device.keepingEverything) : []
        (embedding, head) = (end(parts.embedding, work.embedding), end(parts.head, work.head))
    }
}

/// Times of the work of the parts of a stage on the device itself, without messages. They depend neither on what is
/// recomputed, nor on what overlaps, nor on the place of the ranks.
final class WorkUnits: Sendable {
    let blocks: [BlockTimes.Work]
    let embedding: UnitTimes
    let head: UnitTimes

    convenience init(
        model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare, gradientBytes: Double
    ) {
        self.init(
            adding: WorkUnits(
                besideExpertsOf: parts, model: model, rates: rates, device: device, gradientBytes: gradientBytes),
            model: model, parts: parts, rates: rates, device: device, gradientBytes: gradientBytes)
    }

    /// The work but for the products of routed experts.
    init(
        besideExpertsOf parts: ModelParts, model: Model, rates: DeviceRates, device: DeviceShare, gradientBytes: Double
    ) {
        blocks = parts.blocks.map {
            BlockTimes(
                block: $0, sequence: model.sequence, rates: rates, device: device, gradientBytes: gradientBytes
            ).workBesideExperts
        }
        func end(_ end: End) -> UnitTimes {
            EndTimes(end: end, rates: rates, device: device, gradientBytes: gradientBytes).work
        }
        (embedding, head) = (end(parts.embedding), end(parts.head))
    }

    /// The work `beside` with the products of routed experts.
    init(
        adding beside: WorkUnits, model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare,
        gradientBytes: Double
    ) {
        blocks = zip(parts.blocks, beside.blocks).map { block, work in
            guard block.mixture != nil else { return work }
            return BlockTimes(
                block: block, sequence: model.sequence, rates: rates, device: device, gradientBytes: gradientBytes
            ).withExperts(work)
        }
        (embedding, head) = (beside.embedding, beside.head)
    }
}

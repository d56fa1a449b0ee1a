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

    init(model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare, gradientBytes: Double) {
        blocks = parts.blocks.map {
            BlockTimes(
                block: $0, sequence: model.sequence, rates: rates, device: device, gradientBytes: gradientBytes
            ).work
        }
        func end(_ end: End) -> UnitTimes {
            EndTimes(end: end, rates: rates, device: device, gradientBytes: gradientBytes).work
        }
        (embedding, head) = (end(parts.embedding), end(parts.head))
    }
}

/// The work on the device itself that a search has computed, for all layouts of one model with the same degrees, whatever
/// the number of devices.
package struct KnownWork: Sendable {
    /// Everything in a layout that the times depend on.
    private struct Key: Hashable {
        var software: String
        /// Tells apart devices with other shares of a core.
        var memoryRate: Double
        var tensor: Double
        var tokens: Double
        var sequenceShare: Double
        var expert: Double
        var expertTensor: Double
        var shares: RowShares
        var dispatcher: Layout.Dispatcher?
        var vocabulary: Int
        var gradientBytes: Double
        var flashAttention: Bool
        /// Whether a recipe casts the weights that are gathered for a pass.
        var castsGathered: Bool
    }

    private var known: [Key: WorkUnits] = [:]

    package init() {}

    /// The work of the parts of a stage on `device`, computed if it is not known yet.
    mutating func units(pricer: Pricer, rates: DeviceRates, device: DeviceShare, gradientBytes: Double) -> WorkUnits {
        let key = Key(
            software: rates.framework.name, memoryRate: rates.memoryRate, tensor: device.tensor, tokens: device.tokens,
            sequenceShare: device.sequenceShare, expert: device.expert, expertTensor: device.expertTensor,
            shares: device.shares, dispatcher: device.dispatcher, vocabulary: device.vocabulary,
            gradientBytes: gradientBytes,
            flashAttention: device.flashAttention, castsGathered: rates.recipe != nil && device.gathersWeights)
        if let units = known[key] { return units }
        let units = WorkUnits(
            model: pricer.plan.model, parts: pricer.parts, rates: rates, device: device, gradientBytes: gradientBytes)
        known[key] = units
        return units
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
    private(set) var work: KnownWork

    /// - Parameter work: work on the device itself that is known already.
    init(work: KnownWork = KnownWork()) { self.work = work }

    /// Forgets all but the work on the device itself: the degrees change.
    func removeAll() { known.removeAll(keepingCapacity: true) }

    /// The times of a stage on `device`.
    func units(
        _ device: DeviceShare, pricer: Pricer, rates: DeviceRates, gradientBytes: Double, plain: Bool
    ) -> InsideUnits {
        let key = Key(
            tokens: device.tokens, sequenceParallel: device.sequenceParallel, recompute: device.recompute,
            overlap: device.overlap, gradientBytes: gradientBytes, plain: plain,
            gathersWeights: device.gathersWeights)
        if let units = known[key] { return units }
        let units = InsideUnits(
            model: pricer.plan.model, parts: pricer.parts, rates: rates, device: device, gradientBytes: gradientBytes,
            plain: plain,
            work: work.units(pricer: pricer, rates: rates, device: device, gradientBytes: gradientBytes))
        known[key] = units
        return units
    }
}

/// What the works of several layouts of one model have in common.
package final class SharedWork {
    let insides = KnownInsides()
    /// The work on the devices themselves that is known by now.
    package var work: KnownWork { insides.work }

    package init() {}
}

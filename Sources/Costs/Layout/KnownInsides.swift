internal import Models
internal import Plans

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
    /// The work but for the products of routed experts, for every number of expert ranks (0 in the key).
    private var beside: [Key: WorkUnits] = [:]

    package init() {}

    /// The work of the parts of a stage on `device`, computed if it is not known yet.
    mutating func units(pricer: Pricer, rates: DeviceRates, device: DeviceShare, gradientBytes: Double) -> WorkUnits {
        var key = Key(
            software: rates.framework.name, memoryRate: rates.memoryRate, tensor: device.tensor, tokens: device.tokens,
            sequenceShare: device.sequenceShare, expert: device.expert, expertTensor: device.expertTensor,
            shares: device.shares, dispatcher: device.dispatcher, vocabulary: device.vocabulary,
            gradientBytes: gradientBytes,
            flashAttention: device.flashAttention, castsGathered: rates.recipe != nil && device.gathersWeights)
        if let units = known[key] { return units }
        let (model, parts) = (pricer.plan.model, pricer.parts)
        // Adapters of experts and casts of their weights are not told apart from other work.
        guard parts.tuned == nil, !key.castsGathered else {
            let units = WorkUnits(
                model: model, parts: parts, rates: rates, device: device, gradientBytes: gradientBytes)
            known[key] = units
            return units
        }
        key.expert = 0
        let others =
            beside[key]
            ?? WorkUnits(
                besideExpertsOf: parts, model: model, rates: rates, device: device, gradientBytes: gradientBytes)
        beside[key] = others
        key.expert = device.expert
        let units = WorkUnits(
            adding: others, model: model, parts: parts, rates: rates, device: device, gradientBytes: gradientBytes)
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

package import Models
package import Plans
package import Tensors

/// Weights, gradients and AdamW moments of the stages that one rank holds.
///
/// The ranks that hold the same stages may shard them (ZeRO, Rajbhandari et al. 2020). A rank then keeps:
///
/// | sharding | weights | gradients | moments |
/// |---|---|---|---|
/// | none | whole | whole | whole |
/// | optimizer | whole | whole | a slice of every unit |
/// | gradients | whole | a slice | a slice |
/// | parameters | a slice | a slice | a slice |
package final class ParameterSet {
    package let units: [ParameterUnit]
    package let sharding: Layout.Sharding
    /// Elements of all units.
    package let count: Int
    private let weightStorage: Storage<Float>
    private let gradientStorage: Storage<Float>
    private let firstMoment: Storage<Float>
    private let secondMoment: Storage<Float>
    /// The gradients of one whole unit, before they are reduced and cut; nil where whole gradients are kept.
    private let gradientScratch: Storage<Float>?
    private let lookup: [Key: (unit: Int, slot: Int)]

    private struct Key: Hashable {
        var stage: Int
        var name: String
    }

    /// - Parameters:
    ///   - stages: the units of each stage of this rank, by stage number.
    ///   - share: the slice of split tensors that is held.
    ///   - shard: the slice of every unit that is kept where `sharding` says so.
    ///   - expertShare: the slice of experts' tensors that is held.
    ///   - expertShard: the slice of every unit of experts that is kept where `sharding` says so.
    ///   - lookedUp: name of the untied token table. Where it is kept whole, its gradient is sparse: gradients and moments
    ///     of tokens that never occurred take no memory.
    package init(
        stages: [(stage: Int, units: [ParameterLayout.Unit])], share: TensorSlice = TensorSlice(),
        sharding: Layout.Sharding = .none, shard: TensorSlice = TensorSlice(),
        expertShare: TensorSlice = TensorSlice(), expertShard: TensorSlice = TensorSlice(),
        lookup lookedUp: String? = nil
    ) {
        var made: [ParameterUnit] = []
        var lookup: [Key: (unit: Int, slot: Int)] = [:]
        var (base, cut) = (0, 0)
        for (stage, units) in stages {
            for unit in units {
                var (held, own) = (share, shard)
                if case .experts = unit.kind { (held, own) = (expertShare, expertShard) }
                let added = ParameterUnit(
                    stage: stage, unit: unit, share: held, shard: own, base: base, sliceBase: cut, number: made.count,
                    isLookup: sharding == .none && unit.tensors.first?.name == lookedUp)
                for (index, slot) in added.slots.enumerated() {
                    lookup[Key(stage: stage, name: slot.tensor.name)] = (made.count, index)
                }
                made.append(added)
                base += added.count
                cut += added.sliceCount
            }
        }
        units = made
        self.lookup = lookup
        self.sharding = sharding
        count = base
        let largest = made.map(\.count).max() ?? 0
        let cutsGradients = sharding == .gradients || sharding == .parameters
        weightStorage = Storage<Float>(count: sharding == .parameters ? cut : base)
        let sparse = made.filter { $0.touched != nil }.map { $0.base..<$0.base + $0.count }
        gradientStorage = Storage<Float>(count: cutsGradients ? cut : base, sparse: sparse)
        firstMoment = Storage<Float>(count: sharding == .none ? base : cut, sparse: sparse)
        secondMoment = Storage<Float>(count: sharding == .none ? base : cut, sparse: sparse)
        gradientScratch = cutsGradients ? Storage<Float>(count: largest) : nil
        for unit in units {
            unit.attach(gradients: gradientScratch?.pointer ?? gradientStorage.pointer + unit.base)
            if sharding != .parameters { unit.attach(weights: weightStorage.pointer + unit.base) }
        }
    }

    /// The unit and slot of a stage's tensor; nil when the stage is not held here or has no tensor of that name.
    package func find(stage: Int, name: String) -> (unit: ParameterUnit, slot: ParameterUnit.Slot)? {
        guard let place = lookup[Key(stage: stage, name: name)] else { return nil }
        return (units[place.unit], units[place.unit].slots[place.slot])
    }

    /// A stage's tensor. The name must be one of the stage's.
    package func parameter(stage: Int, name: String) -> Parameter {
        guard let (unit, slot) = find(stage: stage, name: name) else {
            preconditionFailure("stage \(stage) holds no \(name)")
        }
        return Parameter(unit: unit, offset: slot.offset)
    }

    // MARK: slices

    /// The range of a unit whose moments are kept here.
    package func ownRange(_ unit: ParameterUnit) -> Range<Int> {
        guard sharding != .none else { return 0..<unit.count }
        return unit.shard.rank * unit.sliceCount..<(unit.shard.rank + 1) * unit.sliceCount
    }

    /// This rank's slice of a unit's weights, with sharded parameters.
    func weightSlice(_ unit: ParameterUnit) -> UnsafeMutablePointer<Float> {
        sharding == .parameters
            ? weightStorage.pointer + unit.sliceBase : unit.weights + ownRange(unit).lowerBound
    }

    /// The reduced gradients of `ownRange` of a unit.
    func gradientSlice(_ unit: ParameterUnit) -> UnsafeMutablePointer<Float> {
        gradientScratch == nil
            ? gradientStorage.pointer + unit.base + ownRange(unit).lowerBound
            : gradientStorage.pointer + unit.sliceBase
    }

    package func clearGradients() {
        if let gradientScratch {
            gradientStorage.pointer.update(repeating: 0, count: gradientStorage.count)
            return gradientScratch.pointer.update(repeating: 0, count: gradientScratch.count)
        }
        for unit in units {
            guard let touched = unit.touched else {
                unit.gradients.update(repeating: 0, count: unit.count)
                continue
            }
            touched.forEachRun { rows in
                (unit.gradients + rows.lowerBound * touched.width).update(
                    repeating: 0, count: rows.count * touched.width)
            }
            touched.clear()
        }
    }

    /// One AdamW step over all parameters whose moments are kept here. Gradients count times `gradientScale` (clipping).
    package func optimise(_ settings: AdamW, step: Int, learningRate: Double, gradientScale: Float) {
        for unit in units {
            if let touched = unit.touched {
                touched.forEachRunByHistory { rows, hadGradient in
                    let (start, count) = (rows.lowerBound * touched.width, rows.count * touched.width)
                    guard hadGradient else {
                        return settings.decay(unit.weights + start, count: count, learningRate: learningRate)
                    }
                    settings.step(
                        parameters: unit.weights + start, gradients: unit.gradients + start,
                        firstMoment: firstMoment.pointer + unit.base + start,
                        secondMoment: secondMoment.pointer + unit.base + start, count: count, step: step,
                        learningRate: learningRate, decay: true, gradientScale: gradientScale)
                }
                continue
            }
            let range = ownRange(unit)
            let moments = sharding == .none ? unit.base : unit.sliceBase
            for (part, decays) in [(0..<unit.decayedCount, true), (unit.decayedCount..<unit.count, false)] {
                let own = part.clamped(to: range)
                guard !own.isEmpty else { continue }
                let skip = own.lowerBound - range.lowerBound
                settings.step(
                    parameters: weightSlice(unit) + skip,
                    gradients: gradientSlice(unit) + skip, firstMoment: firstMoment.pointer + moments + skip,
                    secondMoment: secondMoment.pointer + moments + skip, count: own.count, step: step,
                    learningRate: learningRate, decay: decays, gradientScale: gradientScale)
            }
        }
    }

    // MARK: start values

    /// Fills every tensor from its name and `seed`.
    package func initialise(seed: UInt64) {
        fillUnits { unit, target in
            for slot in unit.slots {
                Initialisation.fill(target + slot.offset, tensor: slot.tensor, seed: seed, share: unit.share)
            }
        }
    }

    /// Calls `fill` with every unit and room for its whole weights. Of sharded weights this rank's slice is kept.
    func fillUnits<Failure: Error>(
        _ fill: (ParameterUnit, UnsafeMutablePointer<Float>) throws(Failure) -> Void
    ) throws(Failure) {
        let scratch = sharding == .parameters ? Storage<Float>(count: units.map(\.count).max() ?? 0) : nil
        for unit in units {
            let target = scratch?.pointer ?? unit.weights
            try fill(unit, target)
            keepSlice(of: unit, from: target)
        }
    }

    private func keepSlice(of unit: ParameterUnit, from whole: UnsafeMutablePointer<Float>) {
        guard sharding == .parameters else { return }
        let range = ownRange(unit)
        weightSlice(unit).update(from: whole + range.lowerBound, count: range.count)
    }
}

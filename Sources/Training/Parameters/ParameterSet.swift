internal import MPI
package import Models
package import Plans
internal import Tensors

/// Weights, gradients and the optimizer's moments of the stages that one rank holds.
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
    let moments: Moments
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
    ///   - rule: the optimizer, which decides which moments are kept.
    ///   - lookedUp: name of the untied token table. Where it is kept whole, its gradient is sparse: gradients and moments
    ///     of tokens that never occurred take no memory.
    package init(
        stages: [(stage: Int, units: [ParameterLayout.Unit])], share: TensorSlice = TensorSlice(),
        sharding: Layout.Sharding = .none, shard: TensorSlice = TensorSlice(),
        expertShare: TensorSlice = TensorSlice(), expertShard: TensorSlice = TensorSlice(),
        lookup lookedUp: String? = nil, rule: UpdateRule = .adamw(AdamW(), halfMoments: false)
    ) {
        var made: [ParameterUnit] = []
        var lookup: [Key: (unit: Int, slot: Int)] = [:]
        var (base, cut, gradientBase, gradientCut) = (0, 0, 0, 0)
        for (stage, units) in stages {
            for unit in units {
                var (held, own) = (share, shard)
                if case .experts = unit.kind { (held, own) = (expertShare, expertShard) }
                let added = ParameterUnit(
                    stage: stage, unit: unit, share: held, shard: own, base: base, sliceBase: cut,
                    gradientBase: gradientBase, gradientSliceBase: gradientCut, number: made.count,
                    isLookup: sharding == .none && !unit.isFrozen && unit.tensors.first?.name == lookedUp)
                for (index, slot) in added.slots.enumerated() {
                    lookup[Key(stage: stage, name: slot.tensor.name)] = (made.count, index)
                }
                made.append(added)
                base += added.count
                cut += added.sliceCount
                guard !added.isFrozen else { continue }
                gradientBase += added.count
                gradientCut += added.sliceCount
            }
        }
        units = made
        self.lookup = lookup
        self.sharding = sharding
        count = base
        let largest = made.filter { !$0.isFrozen }.map(\.count).max() ?? 0
        let cutsGradients = sharding == .gradients || sharding == .parameters
        weightStorage = Storage<Float>(count: sharding == .parameters ? cut : base)
        let sparse = made.filter { $0.touched != nil }.map { $0.gradientBase..<$0.gradientBase + $0.count }
        gradientStorage = Storage<Float>(count: cutsGradients ? gradientCut : gradientBase, sparse: sparse)
        moments = Moments(rule, count: sharding == .none ? gradientBase : gradientCut, sparse: sparse)
        gradientScratch = cutsGradients ? Storage<Float>(count: largest) : nil
        for unit in units {
            if !unit.isFrozen {
                unit.attach(gradients: gradientScratch?.pointer ?? gradientStorage.pointer + unit.gradientBase)
            }
            if sharding != .parameters { unit.attach(weights: weightStorage.pointer + unit.base) }
        }
    }

    /// The unit and slot of a stage's tensor; nil when the stage is not held here or has no tensor of that name.
    package func find(stage: Int, name: String) -> (unit: ParameterUnit, slot: ParameterUnit.Slot)? {
        guard let place = lookup[Key(stage: stage, name: name)] else { return nil }
        return (units[place.unit], units[place.unit].slots[place.slot])
    }

    /// The units of one kind of a stage: that with the tensors that training changes first, if there is one.
    func units(stage: Int, _ kind: ParameterLayout.Kind) -> [ParameterUnit] {
        units.filter { $0.stage == stage && $0.kind == kind }
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
            ? gradientStorage.pointer + unit.gradientBase + ownRange(unit).lowerBound
            : gradientStorage.pointer + unit.gradientSliceBase
    }

    package func clearGradients() {
        if let gradientScratch {
            gradientStorage.pointer.update(repeating: 0, count: gradientStorage.count)
            return gradientScratch.pointer.update(repeating: 0, count: gradientScratch.count)
        }
        for unit in units where !unit.isFrozen {
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

    /// One step over all parameters whose moments are kept here.
    package func optimise(_ step: OptimizerStep) {
        for unit in units where !unit.isFrozen { optimise(unit, step) }
    }

    /// One step, with the matrices that the optimizer treats whole.
    func optimise(_ step: OptimizerStep, matrices: WholeMatrices) throws(MPIError) {
        guard case .muon(let muon, _) = step.rule, case .single(let first, _) = moments else {
            return optimise(step)
        }
        for unit in units where !unit.isFrozen {
            guard unit.slots.contains(where: { WholeMatrices.contains($0, of: unit) }) else {
                optimise(unit, step)
                continue
            }
            for slot in unit.slots {
                let part = UpdatePart(
                    weights: unit.weights + slot.offset, gradients: gradientSlice(unit) + slot.offset,
                    place: unit.gradientBase + slot.offset, count: slot.count, decays: slot.tensor.decays)
                if WholeMatrices.contains(slot, of: unit) {
                    try matrices.step(
                        slot, of: unit, part, moment: first.pointer + part.place, muon,
                        learningRate: step.learningRate, gradientScale: step.gradientScale)
                } else {
                    step.apply(part, moments)
                }
            }
        }
    }

    private func optimise(_ unit: ParameterUnit, _ step: OptimizerStep) {
        if let touched = unit.touched {
            touched.forEachRunByHistory { rows, hadGradient in
                let (start, count) = (rows.lowerBound * touched.width, rows.count * touched.width)
                // Where gradient and moments are zero the decay is all there is.
                guard hadGradient else { return step.decay(unit.weights + start, count: count) }
                step.apply(
                    UpdatePart(
                        weights: unit.weights + start, gradients: unit.gradients + start,
                        place: unit.gradientBase + start, count: count, decays: true), moments)
            }
            return
        }
        let range = ownRange(unit)
        let place = sharding == .none ? unit.gradientBase : unit.gradientSliceBase
        for part in unit.steps {
            let own = part.range.clamped(to: range)
            guard !own.isEmpty else { continue }
            let skip = own.lowerBound - range.lowerBound
            step.apply(
                UpdatePart(
                    weights: weightSlice(unit) + skip, gradients: gradientSlice(unit) + skip, place: place + skip,
                    count: own.count, decays: part.decays, learningRateFactor: part.learningRateFactor), moments)
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

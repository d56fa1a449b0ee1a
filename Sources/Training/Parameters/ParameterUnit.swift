package import Models
internal import Tensors

/// Weights and gradients that are reduced, sharded and gathered together: one block, one table, one norm.
///
/// The tensors that decay come first, then the others. Each starts on a cache line unless it joins the one before. The whole
/// is padded, so that the ranks that shard it get equal slices of whole cache lines.
package final class ParameterUnit {
    /// One tensor's place in the unit.
    package struct Slot: Hashable, Sendable {
        package var tensor: TensorSpec
        /// First element within the unit.
        package var offset: Int
        /// Elements this rank holds of it.
        package var count: Int
    }

    package let stage: Int
    package let kind: ParameterLayout.Kind
    package let slots: [Slot]
    /// Elements, padding included.
    package let count: Int
    /// Elements at the front that AdamW decays.
    package let decayedCount: Int
    /// Runs of elements that take a step of the same kind, in order; they cover the unit.
    let steps: [(range: Range<Int>, decays: Bool, learningRateFactor: Double)]
    /// First element among all units of the rank.
    package let base: Int
    /// The slice of the unit's split tensors that this rank holds.
    package let share: TensorSlice
    /// The slice of the unit that this rank keeps where it is sharded.
    package let shard: TensorSlice
    /// First element of that slice among the slices of all units of the rank.
    package let sliceBase: Int
    /// Number of the unit on this rank.
    package let number: Int
    /// Whether training leaves the unit as it is: it has no gradients and no moments.
    package let isFrozen: Bool
    /// First element of its gradients among those of all units of the rank, and of the slice that is kept.
    let gradientBase: Int
    let gradientSliceBase: Int
    /// The rows with gradients of a table that is only looked up and kept whole; nil for all other units.
    package let touched: TouchedRows?
    private var weightPlace: UnsafeMutablePointer<Float>?
    private var gradientPlace: UnsafeMutablePointer<Float>?

    init(
        stage: Int, unit: ParameterLayout.Unit, share: TensorSlice, shard: TensorSlice, base: Int, sliceBase: Int,
        gradientBase: Int, gradientSliceBase: Int, number: Int, isLookup: Bool = false
    ) {
        isFrozen = unit.isFrozen
        (self.gradientBase, self.gradientSliceBase) = (gradientBase, gradientSliceBase)
        var slots: [Slot] = []
        var offset = 0
        var decayed = 0
        for decays in [true, false] {
            for tensor in unit.tensors where tensor.decays == decays {
                let count = share.count(tensor)
                if let last = slots.last, tensor.joinsPrevious { offset = last.offset + last.count }
                slots.append(Slot(tensor: tensor, offset: offset, count: count))
                offset += Self.padded(count, to: 16)
            }
            if decays { decayed = offset }
        }
        self.stage = stage
        kind = unit.kind
        self.slots = slots
        decayedCount = decayed
        count = Self.padded(offset, to: 16 * shard.size)
        steps = Self.steps(slots, decayed: decayed, count: count)
        self.base = base
        self.share = share
        self.shard = shard
        self.sliceBase = sliceBase
        self.number = number
        let table = isLookup ? slots.first : nil
        touched = table.map { slot in
            let width = slot.tensor.shape.last ?? 1
            return TouchedRows(count: slot.count / width, width: width)
        }
    }

    /// The whole unit's weights. Where they are sharded, they must have been gathered.
    package var weights: UnsafeMutablePointer<Float> {
        guard let weightPlace else { preconditionFailure("weights of unit \(number) used before they were gathered") }
        return weightPlace
    }

    /// The whole unit's gradients. Where they are sharded, they lie in a buffer that all units share.
    package var gradients: UnsafeMutablePointer<Float> {
        guard let gradientPlace else { preconditionFailure("unit \(number) belongs to no parameter set") }
        return gradientPlace
    }

    func attach(weights: UnsafeMutablePointer<Float>) { weightPlace = weights }

    func attach(gradients: UnsafeMutablePointer<Float>) { gradientPlace = gradients }

    /// From here on the weights must be gathered again before they are used.
    func detachWeights() { weightPlace = nil }

    /// Padding goes with the tensor before it, and behind the tensors that decay never with them.
    private static func steps(
        _ slots: [Slot], decayed: Int, count: Int
    ) -> [(range: Range<Int>, decays: Bool, learningRateFactor: Double)] {
        var steps: [(range: Range<Int>, decays: Bool, learningRateFactor: Double)] = []
        for (decays, end) in [(true, decayed), (false, count)] {
            var start = steps.last?.range.upperBound ?? 0
            let own = slots.filter { $0.tensor.decays == decays }
            for (index, slot) in own.enumerated() {
                let factor = slot.tensor.learningRateFactor
                let next = index + 1 < own.count ? own[index + 1] : nil
                guard next?.tensor.learningRateFactor != factor else { continue }
                steps.append((start..<(next?.offset ?? end), decays, factor))
                start = next?.offset ?? end
            }
            if start < end { steps.append((start..<end, decays, 1)) }
        }
        return steps
    }

    private static func padded(_ count: Int, to step: Int) -> Int { (count + step - 1) / step * step }

    /// Elements of this rank's slice.
    package var sliceCount: Int { count / shard.size }

    /// Whether the unit holds experts. Their copies lie on other ranks than the copies of a block's other tensors.
    package var isExperts: Bool {
        if case .experts = kind { return true }
        return false
    }
}

/// One tensor's weights and its gradient.
package struct Parameter {
    /// The parameter set keeps its units for as long as any stage lives.
    unowned(unsafe) let unit: ParameterUnit
    let offset: Int

    package var weight: UnsafeMutablePointer<Float> { unit.weights + offset }
    package var gradient: UnsafeMutablePointer<Float> { unit.gradients + offset }

    func weight(rows: Int, columns: Int) -> Matrix { Matrix(weight, rows: rows, columns: columns) }
    func gradient(rows: Int, columns: Int) -> Matrix { Matrix(gradient, rows: rows, columns: columns) }
}

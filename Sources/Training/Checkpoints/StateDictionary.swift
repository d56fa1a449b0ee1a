package import Models
internal import Plans
internal import Tensors

/// Whether a tensor of a run's state is a parameter or one of the optimizer's moments of it.
package enum StateKind: String, Hashable, Codable, Sendable, CaseIterable {
    /// The parameter itself. The runtime keeps it in fp32, also where products round it: it is its own master weight.
    case weight
    /// The optimizer's mean of gradients, or its momentum.
    case firstMoment
    /// The optimizer's mean of squared gradients.
    case secondMoment

    /// The end of the tensor's name in a checkpoint; PyTorch's names of AdamW's state.
    package var suffix: String {
        switch self {
        case .weight: ""
        case .firstMoment: ".exp_avg"
        case .secondMoment: ".exp_avg_sq"
        }
    }
}

/// Number format of a state tensor.
package enum StateFormat: String, Hashable, Codable, Sendable {
    case fp32 = "F32"
    case bf16 = "BF16"

    package var bytes: Int { self == .fp32 ? 4 : 2 }
}

/// Everything that one rank holds of a run's state, tensor by tensor. Saving copies out of it and loading copies into it.
package struct StateDictionary {
    /// A tensor of the state, as far as this rank holds it.
    package struct Entry {
        package let tensor: TensorSpec
        package let kind: StateKind
        package let format: StateFormat
        /// The place of local element 0.
        let base: UnsafeMutableRawPointer
        /// What the rank holds, in the order of its memory.
        package let runs: [ElementRun]
        /// This rank among those that hold the same; nil: another tensor of the run has the same numbers and is saved.
        package let copies: TensorSlice?
        /// The rows of a table of which the others take no memory.
        let touched: TouchedRows?

        /// The tensor's name in a checkpoint.
        package var key: String { tensor.name + kind.suffix }
        /// Elements that the rank holds.
        package var count: Int { runs.reduce(0) { $0 + $1.count } }

        /// What this rank writes: the ranks that hold the same share it out evenly, so that every element is written once.
        package var owned: [ElementRun] {
            guard let copies else { return [] }
            let count = self.count
            return ElementRun.part(
                count * copies.rank / copies.size..<count * (copies.rank + 1) / copies.size, of: runs)
        }

        func address(_ local: Int) -> UnsafeMutableRawPointer { base + local * format.bytes }

        /// The checksum of these runs as they lie in memory.
        func sum(_ runs: [ElementRun]) -> UInt64 {
            var sum = ElementSum()
            for run in runs { format.add(run, at: address(run.local), to: &sum) }
            return sum.value
        }
    }

    package let entries: [Entry]

    /// Bytes that this rank holds.
    package var heldBytes: Int { entries.reduce(0) { $0 + $1.count * $1.format.bytes } }
    /// Bytes that this rank writes.
    package var ownedBytes: Int {
        entries.reduce(0) { $0 + $1.owned.reduce(0) { $0 + $1.count } * $1.format.bytes }
    }
}

extension StateFormat {
    /// Adds the elements of a run that lie at `bytes`.
    func add(_ run: ElementRun, at bytes: UnsafeRawPointer, to sum: inout ElementSum) {
        switch self {
        case .fp32: sum.add32(bytes, count: run.count, place: run.whole)
        case .bf16: sum.add16(bytes, count: run.count, place: run.whole)
        }
    }
}

extension StateDictionary {
    /// The state of a rank's parameters.
    /// - Parameter rule: the optimizer. Muon keeps no second moment of the matrices that it orthogonalises.
    package init(_ parameters: ParameterSet, rule: UpdateRule, model: Model) {
        var entries: [Entry] = []
        for unit in parameters.units {
            for slot in unit.slots {
                // The table of a tied head has the numbers of the embedding's, which another stage or unit saves.
                let isTwin =
                    unit.kind == .table && unit.stage != 0 && slot.tensor.name == model.embedding.name
                func add(_ kind: StateKind, _ place: ParameterSet.StatePlace) {
                    entries.append(Entry(slot, of: unit, kind: kind, place: place, isTwin: isTwin))
                }
                add(.weight, parameters.weightPlace(unit))
                guard !unit.isFrozen else { continue }
                if let first = parameters.momentPlace(unit, .firstMoment) { add(.firstMoment, first) }
                if case .muon = rule, WholeMatrices.contains(slot, of: unit) { continue }
                if let second = parameters.momentPlace(unit, .secondMoment) { add(.secondMoment, second) }
            }
        }
        self.entries = entries
    }
}

extension StateDictionary.Entry {
    fileprivate init(
        _ slot: ParameterUnit.Slot, of unit: ParameterUnit, kind: StateKind, place: ParameterSet.StatePlace,
        isTwin: Bool
    ) {
        tensor = slot.tensor
        self.kind = kind
        format = place.format
        base = place.start + (slot.offset - place.range.lowerBound) * place.format.bytes
        let share = slot.tensor.split == .whole ? TensorSlice() : unit.share
        var all: [ElementRun] = []
        share.forEachRun(slot.tensor) { local, whole, count in
            all.append(ElementRun(local: local, whole: whole, count: count))
        }
        let range = place.range.lowerBound - slot.offset..<place.range.upperBound - slot.offset
        runs = place.isCut ? ElementRun.held(range, of: all) : all
        // Ranks of a tensor group hold the same of a tensor that is not split.
        let pieces = slot.tensor.split == .whole ? unit.share : TensorSlice()
        let shards = place.isCut ? TensorSlice() : unit.shard
        copies =
            isTwin ? nil : TensorSlice(rank: shards.rank * pieces.size + pieces.rank, size: shards.size * pieces.size)
        touched = kind == .weight ? nil : unit.touched
    }
}

extension ParameterSet {
    /// Where a rank keeps a part of a unit's state.
    struct StatePlace {
        /// The part of the unit that is kept.
        var range: Range<Int>
        /// Whether the ranks that hold the unit keep a slice each.
        var isCut: Bool
        var format: StateFormat
        /// The first kept element.
        var start: UnsafeMutableRawPointer
    }

    func weightPlace(_ unit: ParameterUnit) -> StatePlace {
        let isCut = sharding == .parameters
        return StatePlace(
            range: isCut ? ownRange(unit) : 0..<unit.count, isCut: isCut, format: .fp32,
            start: UnsafeMutableRawPointer(isCut ? weightSlice(unit) : unit.weights))
    }

    /// - Returns: nil where the optimizer keeps no such moment.
    func momentPlace(_ unit: ParameterUnit, _ kind: StateKind) -> StatePlace? {
        let first = sharding == .none ? unit.gradientBase : unit.gradientSliceBase
        func place<Element>(_ storage: Storage<Element>, _ format: StateFormat) -> StatePlace? {
            guard storage.count > 0 else { return nil }
            return StatePlace(
                range: ownRange(unit), isCut: sharding != .none, format: format,
                start: UnsafeMutableRawPointer(storage.pointer + first))
        }
        return switch moments {
        case .single(let means, let squares): place(kind == .firstMoment ? means : squares, .fp32)
        case .half(let means, let squares): place(kind == .firstMoment ? means : squares, .bf16)
        }
    }
}

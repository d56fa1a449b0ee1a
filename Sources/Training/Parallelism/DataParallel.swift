internal import MPI
internal import Models
internal import Plans
internal import Tensors

/// Data parallelism: sums gradients over the ranks that hold the same stages, unit by unit. With sharding each rank keeps a
/// slice of weights, gradients and optimizer state (ZeRO, Rajbhandari et al. 2020).
///
/// - none: a unit is all-reduced as soon as its last gradient of the step is complete, while others are still computed.
/// - optimizer (ZeRO-1): each rank gets its slice of the sum and steps it, and the new weights are gathered.
/// - gradients (ZeRO-2): a unit is reduced after *every* micro-batch, so that whole gradients exist for one unit at a time.
/// - parameters (ZeRO-3, FSDP): whole weights, too, exist for two units at a time, gathered before each use.
///
/// On one node a reduction runs through shared memory at once. Across nodes it runs in the background (`MPI_Iallreduce`) and
/// makes progress between units.
final class DataParallel {
    private let parameters: ParameterSet
    private let dense: ReductionGroup
    /// Ranks that hold the same experts.
    private let experts: ReductionGroup
    private let tensor: TensorParallel
    private let profile: Profile
    /// Whether units may be reduced while the ranks still compute. False where they run different lists of actions.
    private let reducesEarly: Bool
    /// By unit: backwards still to come in this step.
    private var remaining: [Int]
    /// By unit: backwards of a step.
    private let expected: [Int]
    /// Whole weights of the units used last, with sharded parameters.
    private var gathered: GatheredWeights
    private let scratch: Storage<Float>

    /// The ranks that a unit's gradients are summed over.
    private struct ReductionGroup {
        var collectives: GroupCollectives?
        /// Sums under way, where the ranks share no memory.
        var background: RequestSet?

        init() {}

        init(_ group: Communicator, units: Int, sharesMemory: Bool) throws(MPIError) {
            guard group.size > 1 else { return }
            let made = try GroupCollectives(
                group, capacity: max(DataParallel.pieceCount, 16 * group.size), sharesMemory: sharesMemory)
            collectives = made
            if !made.sharesMemory { background = RequestSet(group, capacity: units) }
        }
    }

    private func group(of unit: ParameterUnit) -> ReductionGroup { unit.isExperts ? experts : dense }

    /// Numbers that a rank exchanges at a time. A quarter of a megabyte stays in a core's cache.
    private static let pieceCount = 1 << 16

    /// Data parallelism of one rank that keeps everything.
    convenience init(_ parameters: ParameterSet, profile: Profile) {
        self.init(
            parameters, dense: ReductionGroup(), experts: ReductionGroup(), tensor: TensorParallel(profile: profile),
            reducesEarly: true,
            expected: parameters.units.map { _ in 0 }, profile: profile)
    }

    /// - Parameters:
    ///   - group: the ranks that hold the same stages.
    ///   - experts: the ranks of the group that hold the same experts.
    ///   - reducesEarly: whether the ranks run the same actions in the same order.
    ///   - expected: by unit, the backwards of a step.
    convenience init(
        _ parameters: ParameterSet, group: Communicator, experts: Communicator, tensor: TensorParallel,
        reducesEarly: Bool, expected: [Int], sharesMemory: Bool, profile: Profile
    ) throws(MPIError) {
        let units = parameters.units.count
        let dense = try ReductionGroup(group, units: units, sharesMemory: sharesMemory)
        // Ranks that hold the same stages come to the same answer.
        let hasExperts = parameters.units.contains { $0.isExperts }
        let experts =
            hasExperts ? try ReductionGroup(experts, units: units, sharesMemory: sharesMemory) : ReductionGroup()
        self.init(
            parameters, dense: dense, experts: experts, tensor: tensor, reducesEarly: reducesEarly, expected: expected,
            profile: profile)
    }

    private init(
        _ parameters: ParameterSet, dense: ReductionGroup, experts: ReductionGroup, tensor: TensorParallel,
        reducesEarly: Bool,
        expected: [Int], profile: Profile
    ) {
        self.parameters = parameters
        self.dense = dense
        self.experts = experts
        self.tensor = tensor
        self.reducesEarly = reducesEarly
        self.expected = expected
        self.profile = profile
        remaining = expected
        let largest = parameters.units.map(\.count).max() ?? 0
        // A block with frozen weights, and its experts, are two units each.
        gathered = GatheredWeights(
            largest: parameters.sharding == .parameters ? largest : 0,
            places: parameters.units.contains(where: \.isFrozen) ? 4 : 2)
        let collectives = [dense.collectives, experts.collectives].compactMap(\.self)
        // Room for a row of a table at least.
        let piece = parameters.units.reduce(Self.pieceCount) { max($0, $1.touched?.width ?? 0) }
        scratch = Storage(
            count: collectives.isEmpty ? 0 : collectives.allSatisfy(\.sharesMemory) ? piece : max(largest, piece))
    }

    var cutsGradients: Bool { parameters.sharding == .gradients || parameters.sharding == .parameters }

    // MARK: weights

    /// Makes a unit's whole weights readable, until whole weights of two other units have been gathered.
    func gatherWeights(of unit: ParameterUnit) throws(MPIError) {
        guard parameters.sharding == .parameters, gathered.takePlace(unit) else { return }
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            let slice = parameters.weightSlice(unit)
            guard let collectives = group(of: unit).collectives else {
                return unit.weights.update(from: slice, count: unit.count)
            }
            try collectives.gatherSlices(slice, length: unit.sliceCount, into: unit.weights)
        }
    }

    /// Whole weights that were gathered are wrong: the slices have changed without a step.
    func forgetWeights() { gathered.forget() }

    /// Gives every rank the weights that the others' optimizers have stepped.
    func gatherSteppedWeights() throws(MPIError) {
        gathered.forget()
        guard parameters.sharding == .optimizer || parameters.sharding == .gradients else { return }
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            for unit in parameters.units where !unit.isFrozen {
                try group(of: unit).collectives?.gatherSlices(
                    parameters.weightSlice(unit), length: unit.sliceCount, into: unit.weights)
            }
        }
    }

    // MARK: gradients

    /// Expects the backwards of a new step.
    func startStep() {
        for index in remaining.indices { remaining[index] = expected[index] }
    }

    /// Ends the first half of a split backward of a unit. Where gradients are sharded, its partial gradients are reduced now,
    /// so that the shared buffer can serve the next unit.
    func reducePartial(_ unit: ParameterUnit) throws(MPIError) {
        if cutsGradients, !unit.isFrozen { try reduceScatter(unit) }
    }

    /// Ends a backward of a unit. Reduces its gradients: after the last backward of the step, or after each where gradients
    /// are sharded.
    func reduceWhenComplete(_ unit: ParameterUnit) throws(MPIError) {
        guard !unit.isFrozen else { return }
        if cutsGradients { return try reduceScatter(unit) }
        remaining[unit.number] -= 1
        if remaining[unit.number] == 0, reducesEarly { try reduce(unit) }
        try progress(dense.background)
        try progress(experts.background)
    }

    private func progress(_ background: RequestSet?) throws(MPIError) {
        guard let background, background.pending > 0 else { return }
        _ = try profile.measure(.dataTransfers) { () throws(MPIError) in try background.progress() }
    }

    /// Reduces the units that are still to be reduced, and waits for reductions in the background.
    func completeReductions() throws(MPIError) {
        if !cutsGradients, !reducesEarly { for unit in parameters.units where !unit.isFrozen { try reduce(unit) } }
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            try dense.background?.waitAll()
            try experts.background?.waitAll()
        }
    }

    private func reduceScatter(_ unit: ParameterUnit) throws(MPIError) {
        try sumOverTensorRanks(unit)
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            let slice = parameters.gradientSlice(unit)
            if let collectives = group(of: unit).collectives {
                try collectives.reduceScatter(
                    unit.gradients, count: unit.count, into: slice, adds: true, scratch: scratch.pointer)
            } else {
                VectorMath.add(into: slice, from: unit.gradients, count: unit.count)
            }
            unit.gradients.update(repeating: 0, count: unit.count)
        }
    }

    private func reduce(_ unit: ParameterUnit) throws(MPIError) {
        try sumOverTensorRanks(unit)
        let group = group(of: unit)
        guard let collectives = group.collectives else { return }
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            if let touched = unit.touched {
                return try reduceRows(touched, of: unit, collectives)
            }
            if let background = group.background {
                try background.startAllReduce(UnsafeMutableBufferPointer(start: unit.gradients, count: unit.count))
            } else if parameters.sharding == .optimizer {
                try collectives.reduceScatter(
                    unit.gradients, count: unit.count, into: parameters.gradientSlice(unit), adds: false,
                    scratch: scratch.pointer)
            } else {
                try collectives.allReduce(unit.gradients, count: unit.count)
            }
        }
    }

    /// Sums the rows of a token table that have a gradient on any rank, as many at a time as the scratch memory holds.
    private func reduceRows(
        _ touched: TouchedRows, of unit: ParameterUnit, _ collectives: GroupCollectives
    ) throws(MPIError) {
        try collectives.allReduce(touched.flags.pointer, count: touched.count)
        let (width, most) = (touched.width, scratch.count / touched.width)
        var waiting: [Range<Int>] = []
        var filled = 0
        func flush() throws(MPIError) {
            try collectives.allReduce(scratch.pointer, count: filled * width)
            var place = 0
            for rows in waiting {
                (unit.gradients + rows.lowerBound * width).update(
                    from: scratch.pointer + place * width, count: rows.count * width)
                place += rows.count
            }
            waiting.removeAll(keepingCapacity: true)
            filled = 0
        }
        try touched.forEachRun { (run) throws(MPIError) in
            var rest = run
            while !rest.isEmpty {
                let part = rest.prefix(most - filled)
                (scratch.pointer + filled * width).update(
                    from: unit.gradients + part.lowerBound * width, count: part.count * width)
                waiting.append(part)
                filled += part.count
                rest = rest.dropFirst(part.count)
                if filled == most { try flush() }
            }
        }
        if filled > 0 { try flush() }
    }

    /// Sums gradients over the tensor ranks where each has added its own rows only: routers, and with sequence parallelism
    /// norms and positions.
    private func sumOverTensorRanks(_ unit: ParameterUnit) throws(MPIError) {
        guard tensor.size > 1 else { return }
        // Rows at experts are no other tensor rank's part.
        for slot in unit.slots
        where !unit.isExperts && (slot.tensor.seesOwnRows || (tensor.splitsRows && slot.tensor.seesStreamRows)) {
            try tensor.allReduce(unit.gradients + slot.offset, count: slot.count)
        }
    }
}

/// Room for the whole weights of a few units: those that were used last.
private struct GatheredWeights {
    private let places: [Storage<Float>]
    /// The unit whose weights lie at each place.
    private var holders: [ParameterUnit?]
    /// The places in the order of their last use.
    private var order: [Int]

    /// - Parameter largest: numbers of the largest unit.
    init(largest: Int, places count: Int) {
        places = (0..<count).map { _ in Storage(count: largest) }
        holders = places.map { _ in nil }
        order = Array(places.indices)
    }

    /// Gives a unit the place that was used longest ago, unless it has one. The unit that held it loses its weights.
    /// - Returns: whether the weights have yet to be gathered.
    mutating func takePlace(_ unit: ParameterUnit) -> Bool {
        if let place = holders.firstIndex(where: { $0 === unit }) {
            use(place)
            return false
        }
        let place = order[0]
        use(place)
        holders[place]?.detachWeights()
        holders[place] = unit
        unit.attach(weights: places[place].pointer)
        return true
    }

    /// Takes all weights away: they have changed elsewhere.
    mutating func forget() {
        for unit in holders { unit?.detachWeights() }
        holders = holders.map { _ in nil }
    }

    private mutating func use(_ place: Int) {
        order.removeAll { $0 == place }
        order.append(place)
    }
}

internal import MPI
internal import Plans
internal import Tensors

/// Data parallelism: gradients summed over the ranks that hold the same stages, unit by unit, and with sharding each
/// rank's slice of weights, gradients and optimizer state (ZeRO, Rajbhandari et al. 2020).
///
/// - none: a unit is all-reduced as soon as its last gradient of the step is there, while others are still computed.
/// - optimizer: each rank gets its slice of the sum, steps it, and the new weights are gathered.
/// - gradients: the same after *every* micro-batch, so that whole gradients exist for one unit at a time.
/// - parameters: also whole weights exist for two units at a time, gathered before each use.
///
/// On one node a reduction runs through shared memory at once; across nodes it runs in the background (`MPI_Iallreduce`)
/// and is driven on between units.
final class ParameterShards {
    private let parameters: ParameterSet
    private let dense: Group
    /// Ranks that hold the same experts.
    private let experts: Group
    private let tensor: TensorParallel
    private let profile: Profile
    /// Whether units may be reduced while the ranks still compute: not where they run different lists of actions.
    private let reducesEarly: Bool
    /// By unit: gradients still to come in this step, of how many.
    private var remaining: [Int]
    private let expected: [Int]
    /// Whole weights of the units used last, with sharded parameters.
    private var gathered: GatheredWeights
    private let scratch: Storage<Float>

    /// The ranks a unit's gradients are summed over.
    private struct Group {
        var buffers: GroupBuffers?
        /// Sums under way, where the ranks share no memory.
        var background: TransferSet?

        init() {}

        init(_ group: Communicator, units: Int, sharesMemory: Bool) throws(MPIError) {
            guard group.size > 1 else { return }
            let made = try GroupBuffers(
                group, capacity: max(ParameterShards.piece, 16 * group.size), sharesMemory: sharesMemory)
            buffers = made
            if !made.sharesMemory { background = TransferSet(group, capacity: units) }
        }
    }

    private func group(of unit: ParameterUnit) -> Group { unit.isExperts ? experts : dense }

    /// Numbers a rank hands over at a time: a quarter of a megabyte stays in a core's cache.
    private static let piece = 1 << 16

    /// One rank that keeps everything.
    convenience init(_ parameters: ParameterSet, profile: Profile) {
        self.init(
            parameters, dense: Group(), experts: Group(), tensor: TensorParallel(profile: profile), reducesEarly: true,
            expected: parameters.units.map { _ in 0 }, profile: profile)
    }

    /// - Parameters:
    ///   - group: the ranks that hold the same stages.
    ///   - experts: those of them that hold the same experts.
    ///   - reducesEarly: whether they run the same actions in the same order.
    ///   - expected: by unit, how often its gradients are finished in a step.
    convenience init(
        _ parameters: ParameterSet, group: Communicator, experts: Communicator, tensor: TensorParallel,
        reducesEarly: Bool, expected: [Int], sharesMemory: Bool, profile: Profile
    ) throws(MPIError) {
        let units = parameters.units.count
        let dense = try Group(group, units: units, sharesMemory: sharesMemory)
        // Ranks that hold the same stages come to the same answer.
        let hasExperts = parameters.units.contains { $0.isExperts }
        let experts = hasExperts ? try Group(experts, units: units, sharesMemory: sharesMemory) : Group()
        self.init(
            parameters, dense: dense, experts: experts, tensor: tensor, reducesEarly: reducesEarly, expected: expected,
            profile: profile)
    }

    private init(
        _ parameters: ParameterSet, dense: Group, experts: Group, tensor: TensorParallel, reducesEarly: Bool,
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
        gathered = GatheredWeights(largest: parameters.sharding == .parameters ? largest : 0)
        let buffers = [dense.buffers, experts.buffers].compactMap(\.self)
        // Room for a row of a table at least.
        let piece = parameters.units.reduce(Self.piece) { max($0, $1.touched?.width ?? 0) }
        scratch = Storage(
            count: buffers.isEmpty ? 0 : buffers.allSatisfy(\.sharesMemory) ? piece : max(largest, piece))
    }

    var cutsGradients: Bool { parameters.sharding == .gradients || parameters.sharding == .parameters }

    // MARK: weights

    /// Makes a unit's whole weights readable, until the second next call for another unit.
    func need(_ unit: ParameterUnit) throws(MPIError) {
        guard parameters.sharding == .parameters, gathered.takePlace(unit) else { return }
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            let slice = parameters.weightSlice(unit)
            guard let buffers = group(of: unit).buffers else {
                return unit.weights.update(from: slice, count: unit.count)
            }
            try buffers.gatherSlices(slice, length: unit.sliceCount, into: unit.weights)
        }
    }

    /// After the optimizer's step: every rank gets the others' new weights.
    func shareWeights() throws(MPIError) {
        gathered.forget()
        guard parameters.sharding == .optimizer || parameters.sharding == .gradients else { return }
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            for unit in parameters.units {
                try group(of: unit).buffers?.gatherSlices(
                    parameters.weightSlice(unit), length: unit.sliceCount, into: unit.weights)
            }
        }
    }

    // MARK: gradients

    /// Before the first gradient of a step.
    func begin() {
        for index in remaining.indices { remaining[index] = expected[index] }
    }

    /// Some of a unit's gradients are there but not all of this micro-batch's: room for another unit's is needed.
    func pause(_ unit: ParameterUnit) throws(MPIError) {
        if cutsGradients { try reduceAndKeepSlice(unit) }
    }

    /// A unit's gradients of one micro-batch are complete.
    func finish(_ unit: ParameterUnit) throws(MPIError) {
        if cutsGradients { return try reduceAndKeepSlice(unit) }
        remaining[unit.number] -= 1
        if remaining[unit.number] == 0, reducesEarly { try reduce(unit) }
        try driveOn(dense.background)
        try driveOn(experts.background)
    }

    private func driveOn(_ background: TransferSet?) throws(MPIError) {
        guard let background, background.pending > 0 else { return }
        _ = try profile.measure(.dataTransfers) { () throws(MPIError) in try background.progress() }
    }

    /// After the last gradient of a step: every unit's sum is complete.
    func end() throws(MPIError) {
        if !cutsGradients, !reducesEarly { for unit in parameters.units { try reduce(unit) } }
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            try dense.background?.waitAll()
            try experts.background?.waitAll()
        }
    }

    private func reduceAndKeepSlice(_ unit: ParameterUnit) throws(MPIError) {
        try completeRows(unit)
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            let slice = parameters.gradientSlice(unit)
            if let buffers = group(of: unit).buffers {
                try buffers.reduceScatter(
                    unit.gradients, count: unit.count, into: slice, adds: true, scratch: scratch.pointer)
            } else {
                VectorMath.add(into: slice, from: unit.gradients, count: unit.count)
            }
            unit.gradients.update(repeating: 0, count: unit.count)
        }
    }

    private func reduce(_ unit: ParameterUnit) throws(MPIError) {
        try completeRows(unit)
        let group = group(of: unit)
        guard let buffers = group.buffers else { return }
        try profile.measure(.dataTransfers) { () throws(MPIError) in
            if let touched = unit.touched {
                return try reduceRows(touched, of: unit, buffers)
            }
            if let background = group.background {
                try background.startSum(UnsafeMutableBufferPointer(start: unit.gradients, count: unit.count))
            } else if parameters.sharding == .optimizer {
                try buffers.reduceScatter(
                    unit.gradients, count: unit.count, into: parameters.gradientSlice(unit), adds: false,
                    scratch: scratch.pointer)
            } else {
                try buffers.allReduce(unit.gradients, count: unit.count)
            }
        }
    }

    /// Sums the rows that have a gradient on any rank, as many at a time as the scratch memory holds.
    private func reduceRows(
        _ touched: TouchedRows, of unit: ParameterUnit, _ buffers: GroupBuffers
    ) throws(MPIError) {
        try buffers.allReduce(touched.flags.pointer, count: touched.count)
        let (width, most) = (touched.width, scratch.count / touched.width)
        var waiting: [Range<Int>] = []
        var filled = 0
        func flush() throws(MPIError) {
            try buffers.allReduce(scratch.pointer, count: filled * width)
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

    /// Routers have seen a part of the rows on each tensor rank, and under sequence parallelism norms and positions.
    private func completeRows(_ unit: ParameterUnit) throws(MPIError) {
        guard tensor.size > 1 else { return }
        for slot in unit.slots
        where slot.tensor.seesOwnRows || (tensor.splitsRows && slot.tensor.seesStreamRows) {
            try tensor.allReduce(unit.gradients + slot.offset, count: slot.count)
        }
    }
}

/// Room for the whole weights of two units: those that were used last.
private struct GatheredWeights {
    private let places: [Storage<Float>]
    /// The unit whose weights lie at each place.
    private var holders: [ParameterUnit?] = [nil, nil]
    private var leastRecent = 0

    /// - Parameter largest: numbers of the largest unit.
    init(largest: Int) { places = (0..<2).map { _ in Storage(count: largest) } }

    /// Gives a unit the place that was used longest ago, unless it has one. The unit that held it loses its weights.
    /// - Returns: whether the weights have yet to be gathered.
    mutating func takePlace(_ unit: ParameterUnit) -> Bool {
        if let place = holders.firstIndex(where: { $0 === unit }) {
            leastRecent = 1 - place
            return false
        }
        let place = leastRecent
        leastRecent = 1 - place
        holders[place]?.detachWeights()
        holders[place] = unit
        unit.attach(weights: places[place].pointer)
        return true
    }

    /// Takes all weights away: they have changed elsewhere.
    mutating func forget() {
        for unit in holders { unit?.detachWeights() }
        holders = [nil, nil]
    }
}

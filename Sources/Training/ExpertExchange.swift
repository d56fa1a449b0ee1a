internal import MPI
internal import Tensors

/// The way of tokens to the ranks that hold their experts, and back (Lepikhin et al. 2021, GShard): an all-to-all whose
/// blocks are as long as the router made them. T tokens, k choices, E experts, G ranks, H hidden.
final class ExpertExchange {
    /// nil for one process without MPI.
    private let group: Communicator?
    /// This rank among those that share the experts, and how many they are.
    let rank: Int
    let size: Int
    /// Experts of this rank, E/G.
    let local: Int
    private let width: Int
    private let profile: Profile
    /// Rows in the order of senders.
    private let scratch = GrowingRows()
    private let sending: UnsafeMutablePointer<Int32>
    private let receiving: UnsafeMutablePointer<Int32>

    init(_ group: Communicator?, experts: Int, width: Int, profile: Profile) {
        self.group = group
        rank = group?.rank ?? 0
        size = group?.size ?? 1
        local = experts / size
        self.width = width
        self.profile = profile
        sending = .allocate(capacity: size)
        receiving = .allocate(capacity: size)
    }

    deinit {
        sending.deallocate()
        receiving.deallocate()
    }

    /// Tells every rank how many rows go to each of its experts.
    /// - Parameters:
    ///   - counts: rows for each expert `[E]`.
    ///   - arriving: rows from each rank for each of this rank's experts `[G, E/G]`, written.
    /// - Returns: rows that arrive.
    func announce(
        counts: UnsafePointer<Int32>, arriving: UnsafeMutablePointer<Int32>
    ) throws(MPIError) -> Int {
        guard let group, size > 1 else {
            arriving.update(from: counts, count: local)
            return (0..<local).reduce(0) { $0 + Int(counts[$1]) }
        }
        let count = local * size
        try profile.measure(.expertTransfers) { () throws(MPIError) in
            try group.allToAll(
                UnsafeBufferPointer(start: counts, count: count),
                into: UnsafeMutableBufferPointer(start: arriving, count: count))
        }
        return (0..<count).reduce(0) { $0 + Int(arriving[$1]) }
    }

    /// `rows`, sorted by expert, go to the experts' ranks; `output` gets what arrives here, sorted by this rank's experts
    /// and, within one, by sender.
    func send(
        _ rows: UnsafePointer<Float>, counts: UnsafePointer<Int32>, arriving: UnsafePointer<Int32>, total: Int,
        into output: UnsafeMutablePointer<Float>, sent: Int
    ) throws(MPIError) {
        guard let group, size > 1 else { return output.update(from: rows, count: sent * width) }
        addUp(counts, arriving)
        let arrived = scratch.reserve(total * width)
        try profile.measure(.expertTransfers) { () throws(MPIError) in
            try group.allToAll(rows, sending: sending, into: arrived, receiving: receiving, width: width)
        }
        profile.measure(.router) {
            ExpertRows.regroup(
                x: arrived, counts: arriving, y: output, groups: size, experts: local, width: width)
        }
    }

    /// The way back: `rows` in the order `send` left them return to where they came from.
    func sendBack(
        _ rows: UnsafePointer<Float>, counts: UnsafePointer<Int32>, arriving: UnsafePointer<Int32>, total: Int,
        into output: UnsafeMutablePointer<Float>, sent: Int
    ) throws(MPIError) {
        guard let group, size > 1 else { return output.update(from: rows, count: sent * width) }
        addUp(counts, arriving)
        let leaving = scratch.reserve(total * width)
        profile.measure(.router) {
            ExpertRows.regroup(
                x: rows, counts: arriving, y: leaving, groups: size, experts: local, width: width, inverse: true)
        }
        try profile.measure(.expertTransfers) { () throws(MPIError) in
            try group.allToAll(leaving, sending: receiving, into: output, receiving: sending, width: width)
        }
    }

    /// Rows to and from each rank.
    private func addUp(_ counts: UnsafePointer<Int32>, _ arriving: UnsafePointer<Int32>) {
        for rank in 0..<size {
            sending[rank] = (0..<local).reduce(0) { $0 + counts[rank * local + $1] }
            receiving[rank] = (0..<local).reduce(0) { $0 + arriving[rank * local + $1] }
        }
    }
}

/// Memory for a number of rows that changes from one micro-batch to the next; it only grows, so that after some steps
/// nothing is allocated.
final class GrowingRows {
    private var storage = FloatStorage(count: 0)

    var pointer: UnsafeMutablePointer<Float> { storage.pointer }

    /// Room for `count` numbers; what was there may be lost.
    func reserve(_ count: Int) -> UnsafeMutablePointer<Float> {
        // A third more than needed: routing shifts a little at every step.
        if count > storage.count { storage = FloatStorage(count: count + count / 3) }
        return storage.pointer
    }
}

internal import MPI
internal import Tensors

/// The way of tokens to the ranks that hold their experts, and back (Lepikhin et al. 2021, GShard): an all-to-all whose
/// blocks are as long as the router made them. Where an expert's matrices are cut among P ranks, what arrived at each of
/// them is gathered, every rank makes its part of all results, and on the way back the parts are summed (Megatron-Core's
/// order). T tokens, k choices, E experts, G ranks with other experts, H hidden.
final class ExpertExchange {
    /// nil for one process without MPI.
    private let group: Communicator?
    private let pieceGroup: Communicator?
    /// This rank among those that share the experts, and how many they are.
    let rank: Int
    let size: Int
    /// P.
    let pieces: Int
    /// Experts of this rank, E/G.
    let local: Int
    private let width: Int
    private let profile: Profile
    /// Rows in the order of senders: those of this rank's senders, and with cut experts those of all pieces'.
    private let scratch = GrowingRows()
    private let gathered = GrowingRows()
    /// Rows to and from each rank `[G]`, and to each piece `[P]`.
    private let sending: UnsafeMutablePointer<Int32>
    private let receiving: UnsafeMutablePointer<Int32>
    private let pieceRows: UnsafeMutablePointer<Int32>

    init(_ group: Communicator?, pieces: Communicator?, experts: Int, width: Int, profile: Profile) {
        self.group = group
        pieceGroup = pieces
        rank = group?.rank ?? 0
        size = group?.size ?? 1
        self.pieces = pieces?.size ?? 1
        local = experts / size
        self.width = width
        self.profile = profile
        sending = .allocate(capacity: size)
        receiving = .allocate(capacity: size)
        pieceRows = .allocate(capacity: self.pieces)
    }

    deinit {
        sending.deallocate()
        receiving.deallocate()
        pieceRows.deallocate()
    }

    /// Ranks whose tokens come here, P·G.
    var senders: Int { pieces * size }

    /// Tells every rank how many rows go to each of its experts.
    /// - Parameters:
    ///   - counts: rows for each expert `[E]`.
    ///   - arriving: rows from each rank for each of this rank's experts `[P, G, E/G]`, written.
    /// - Returns: rows that arrive.
    func announce(
        counts: UnsafePointer<Int32>, arriving: UnsafeMutablePointer<Int32>
    ) throws(MPIError) -> Int {
        let count = local * size
        let own = arriving + (pieceGroup?.rank ?? 0) * count
        try profile.measure(.expertTransfers) { () throws(MPIError) in
            if let group, size > 1 {
                try group.allToAll(
                    UnsafeBufferPointer(start: counts, count: count),
                    into: UnsafeMutableBufferPointer(start: own, count: count))
            } else {
                own.update(from: counts, count: count)
            }
            guard let pieceGroup, pieces > 1 else { return }
            try pieceGroup.allGatherInPlace(UnsafeMutableBufferPointer(start: arriving, count: pieces * count))
        }
        return (0..<pieces * count).reduce(0) { $0 + Int(arriving[$1]) }
    }

    /// `rows`, sorted by expert, go to the experts' ranks; `output` gets what arrives here, sorted by this rank's experts
    /// and, within one, by sender.
    func send(
        _ rows: UnsafePointer<Float>, counts: UnsafePointer<Int32>, arriving: UnsafePointer<Int32>, total: Int,
        into output: UnsafeMutablePointer<Float>, sent: Int
    ) throws(MPIError) {
        guard senders > 1 else { return output.update(from: rows, count: sent * width) }
        var source = rows
        let own = addUp(counts, arriving)
        try profile.measure(.expertTransfers) { () throws(MPIError) in
            if let group, size > 1 {
                let arrived = scratch.reserve(own * width)
                try group.allToAll(source, sending: sending, into: arrived, receiving: receiving, width: width)
                source = UnsafePointer(arrived)
            }
            guard let pieceGroup, pieces > 1 else { return }
            let all = gathered.reserve(total * width)
            try pieceGroup.allGather(source, counts: pieceRows, into: all, width: width)
            source = UnsafePointer(all)
        }
        profile.measure(.router) {
            ExpertRows.regroup(
                x: source, counts: arriving, y: output, groups: senders, experts: local, width: width)
        }
    }

    /// The way back: `rows` in the order `send` left them return to where they came from; those of an expert's pieces are
    /// summed.
    func sendBack(
        _ rows: UnsafePointer<Float>, counts: UnsafePointer<Int32>, arriving: UnsafePointer<Int32>, total: Int,
        into output: UnsafeMutablePointer<Float>, sent: Int
    ) throws(MPIError) {
        guard senders > 1 else { return output.update(from: rows, count: sent * width) }
        let own = addUp(counts, arriving)
        let leaving = (pieces > 1 ? gathered : scratch).reserve(total * width)
        profile.measure(.router) {
            ExpertRows.regroup(
                x: rows, counts: arriving, y: leaving, groups: senders, experts: local, width: width, inverse: true)
        }
        try profile.measure(.expertTransfers) { () throws(MPIError) in
            var source = leaving
            if let pieceGroup, pieces > 1 {
                source = size > 1 ? scratch.reserve(own * width) : output
                try pieceGroup.reduceScatter(leaving, counts: pieceRows, into: source, width: width)
            }
            guard let group, size > 1 else { return }
            try group.allToAll(source, sending: receiving, into: output, receiving: sending, width: width)
        }
    }

    /// Rows to and from each rank, and those that came to each piece.
    /// - Returns: rows that came to this rank.
    private func addUp(_ counts: UnsafePointer<Int32>, _ arriving: UnsafePointer<Int32>) -> Int {
        let piece = pieceGroup?.rank ?? 0
        for other in 0..<pieces {
            let start = other * size * local
            pieceRows[other] = (start..<start + size * local).reduce(0) { $0 + arriving[$1] }
        }
        for rank in 0..<size {
            let start = (piece * size + rank) * local
            sending[rank] = (0..<local).reduce(0) { $0 + counts[rank * local + $1] }
            receiving[rank] = (start..<start + local).reduce(0) { $0 + arriving[$1] }
        }
        return Int(pieceRows[piece])
    }
}

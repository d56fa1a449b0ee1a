internal import MPI
internal import Tensors

/// Expert parallelism: the way of tokens to the ranks that hold their experts, and back (Lepikhin et al. 2021, GShard).
/// Letters: `ShapeLetters`.
///
/// An all-to-all exchanges as many rows as the router sends. Where an expert's matrices are cut among P ranks, the rows that
/// arrived at each of them are gathered, every rank makes its part of all results, and on the way back the parts are summed
/// (Megatron-Core's order).
final class ExpertParallel {
    /// nil for one process without MPI.
    private let group: Communicator?
    private let pieceGroup: Communicator?
    /// This rank among those that share the experts.
    let rank: Int
    /// G.
    let size: Int
    /// P.
    let pieces: Int
    /// Experts of this rank, E / G.
    let localExperts: Int
    private let width: Int
    private let profile: Profile
    /// Rows in the order of senders: from this rank's senders.
    private let scratch = GrowingStorage<Float>()
    /// Rows in the order of senders: from the senders of all pieces.
    private let gathered = GrowingStorage<Float>()
    /// Rows to each rank [G].
    private let sending: Storage<Int32>
    /// Rows from each rank [G].
    private let receiving: Storage<Int32>
    /// Rows that came to each piece [P].
    private let pieceRows: Storage<Int32>

    init(_ group: Communicator?, pieces: Communicator?, experts: Int, width: Int, profile: Profile) {
        self.group = group
        pieceGroup = pieces
        rank = group?.rank ?? 0
        size = group?.size ?? 1
        self.pieces = pieces?.size ?? 1
        localExperts = experts / size
        self.width = width
        self.profile = profile
        sending = Storage(count: size)
        receiving = Storage(count: size)
        pieceRows = Storage(count: self.pieces)
    }

    /// Ranks whose tokens come here, P · G.
    var senders: Int { pieces * size }

    /// Tells every rank how many rows go to each of its experts.
    /// - Parameters:
    ///   - counts: rows for each expert [E].
    ///   - arriving: rows from each rank for each of this rank's experts [P, G, E / G], written.
    /// - Returns: M, the rows that arrive.
    func exchangeCounts(
        counts: UnsafePointer<Int32>, arriving: UnsafeMutablePointer<Int32>
    ) throws(MPIError) -> Int {
        let count = localExperts * size
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

    /// rows [T · C, H], output [M, H]: sends rows, sorted by expert, to their experts' ranks. `output` gets the rows that
    /// arrive here, sorted by this rank's experts and, within one, by sender.
    func dispatch(
        _ rows: Matrix, counts: UnsafePointer<Int32>, arriving: UnsafePointer<Int32>, into output: Matrix
    ) throws(MPIError) {
        guard senders > 1 else { return output.copy(from: rows) }
        var source = rows
        let own = countRows(counts, arriving)
        try profile.measure(.expertTransfers) { () throws(MPIError) in
            if let group, size > 1 {
                let arrived = scratch.reserve(rows: own, columns: width)
                try group.allToAll(
                    source.pointer, sending: sending.pointer, into: arrived.pointer, receiving: receiving.pointer,
                    width: width)
                source = arrived
            }
            guard let pieceGroup, pieces > 1 else { return }
            let all = gathered.reserve(rows: output.rows, columns: width)
            try pieceGroup.allGather(source.pointer, counts: pieceRows.pointer, into: all.pointer, width: width)
            source = all
        }
        profile.measure(.router) {
            ExpertRows.regroup(x: source, counts: arriving, y: output, groups: senders, experts: localExperts)
        }
    }

    /// rows [M, H], output [T · C, H]: the way back. Rows in the order that `dispatch` left them return to where they came from.
    /// The parts that the pieces of an expert made of one row are summed.
    func combine(
        _ rows: Matrix, counts: UnsafePointer<Int32>, arriving: UnsafePointer<Int32>, into output: Matrix
    ) throws(MPIError) {
        guard senders > 1 else { return output.copy(from: rows) }
        let own = countRows(counts, arriving)
        let leaving = (pieces > 1 ? gathered : scratch).reserve(rows: rows.rows, columns: width)
        profile.measure(.router) {
            ExpertRows.regroup(
                x: rows, counts: arriving, y: leaving, groups: senders, experts: localExperts, inverse: true)
        }
        try profile.measure(.expertTransfers) { () throws(MPIError) in
            var source = leaving
            if let pieceGroup, pieces > 1 {
                source = size > 1 ? scratch.reserve(rows: own, columns: width) : output
                try pieceGroup.reduceScatter(
                    leaving.pointer, counts: pieceRows.pointer, into: source.pointer, width: width)
            }
            guard let group, size > 1 else { return }
            try group.allToAll(
                source.pointer, sending: receiving.pointer, into: output.pointer, receiving: sending.pointer,
                width: width)
        }
    }

    /// Adds up the rows to and from each rank, and those that came to each piece.
    /// - Returns: rows that came to this rank.
    private func countRows(_ counts: UnsafePointer<Int32>, _ arriving: UnsafePointer<Int32>) -> Int {
        let piece = pieceGroup?.rank ?? 0
        for other in 0..<pieces {
            let start = other * size * localExperts
            pieceRows.pointer[other] = (start..<start + size * localExperts).reduce(0) { $0 + arriving[$1] }
        }
        for rank in 0..<size {
            let start = (piece * size + rank) * localExperts
            sending.pointer[rank] = (0..<localExperts).reduce(0) { $0 + counts[rank * localExperts + $1] }
            receiving.pointer[rank] = (start..<start + localExperts).reduce(0) { $0 + arriving[$1] }
        }
        return Int(pieceRows.pointer[piece])
    }
}

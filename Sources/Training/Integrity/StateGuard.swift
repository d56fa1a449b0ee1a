internal import MPI
internal import Numbers
internal import Tensors

/// Notices bits of a rank's weights and moments that change by themselves, as memory with a fault does.
///
/// A rank keeps sums of the bits of all that it holds, piece by piece, as the last step has left it, and compares them before
/// the next step changes anything. Ranks that hold the same compare their sums.
package final class StateGuard {
    /// Adjacent elements of one entry of the state.
    struct Piece {
        /// Number of the entry.
        var entry: Int
        /// Local elements.
        var elements: Range<Int>
        var start: UnsafeRawPointer
        var bytes: Int
    }

    /// An entry of a rank's state that others hold too.
    struct Holder: Hashable {
        var rank: Int
        /// Number of the entry among those of the rank that others hold too.
        var number: Int
    }

    /// How replicas differ.
    struct Dispute {
        /// Pieces of this rank that most of the others hold otherwise.
        var wrong: [Int] = []
        /// Whether there are such pieces on any rank; the same on every rank.
        var isDecided = false
        /// Holders of which no majority says who is wrong; the same on every rank.
        var undecided: [[Holder]] = []
    }

    /// Small enough to name a place, large enough that the sums are few.
    private static let pieceBytes = 1 << 16

    let state: StateDictionary
    let world: Communicator
    /// Steps from one check to the next; nil: nothing is checked.
    private let interval: Int?
    let pieces: [Piece]
    /// The sum of every piece as it should be; nil where the state may have changed since.
    private(set) var sums: [UInt64]?
    /// Entries that others hold too, by number, and the pieces of each.
    private let shared: [Range<Int>]
    /// Numbers that every rank sends when replicas are compared.
    private let room: Int
    /// The holders of the same, on the whole run; the same list on every rank.
    private let groups: [[Holder]]
    /// Seconds spent on sums and comparisons.
    package private(set) var seconds = 0.0

    /// Collective.
    init(_ state: StateDictionary, every interval: Int?, world: Communicator) throws(MPIError) {
        self.state = state
        self.world = world
        self.interval = interval
        var (pieces, places): ([Piece], [Range<Int>]) = ([], [])
        for (number, entry) in state.entries.enumerated() {
            let first = pieces.count
            pieces += Self.pieces(of: entry, number)
            places.append(first..<pieces.count)
        }
        self.pieces = pieces
        guard interval != nil, world.size > 1 else {
            (shared, room, groups) = ([], 0, [])
            return
        }
        // Whoever has the same signature holds the same elements of the same tensor.
        let own = state.entries.map(\.signature)
        let most = Int(try world.allReduce(Int64(own.count), .max))
        let all = try world.allGather(own + [Int64](repeating: 0, count: most - own.count))
        var count: [Int64: Int] = [:]
        for signature in all where signature != 0 { count[signature, default: 0] += 1 }
        var (holders, mine, fullest): ([Int64: [Holder]], [Range<Int>], Int) = ([:], [], 0)
        for rank in 0..<world.size {
            var number = 0
            for (entry, signature) in all[rank * most..<(rank + 1) * most].enumerated()
            where count[signature, default: 0] > 1 {
                holders[signature, default: []].append(Holder(rank: rank, number: number))
                number += 1
                if rank == world.rank { mine.append(places[entry]) }
            }
            fullest = max(fullest, number)
        }
        shared = mine
        room = fullest
        groups = holders.sorted { $0.key < $1.key }.map(\.value)
    }

    private static func pieces(of entry: StateDictionary.Entry, _ number: Int) -> [Piece] {
        guard let first = entry.runs.map(\.local).min(), let end = entry.runs.map({ $0.local + $0.count }).max() else {
            return []
        }
        let length = pieceBytes / entry.format.bytes
        return stride(from: first, to: end, by: length).map { start in
            let elements = start..<min(start + length, end)
            return Piece(
                entry: number, elements: elements, start: UnsafeRawPointer(entry.address(start)),
                bytes: elements.count * entry.format.bytes)
        }
    }

    private func sum(_ piece: Piece) -> UInt64 { BitSum.of(piece.start, count: piece.bytes) }

    private func measured<Result, Failure: Error>(_ work: () throws(Failure) -> Result) throws(Failure) -> Result {
        let began = MonotonicClock.seconds()
        defer { seconds += MonotonicClock.seconds() - began }
        return try work()
    }

    // MARK: own sums

    /// Whether the state is checked in the step of this number.
    private func checks(_ step: Int) -> Bool { interval.map { step % $0 == 0 } ?? false }

    /// Whether the state is compared with its sums in the next step.
    package var hasSums: Bool { sums != nil }

    /// Takes the state as it is now for right. Called when a step is done, or when the state has been filled.
    /// - Parameter step: the next step.
    func keep(before step: Int) {
        sums = checks(step) ? measured { pieces.map(sum) } : nil
    }

    /// Takes sums where the last step has left none, so that replicas can be compared before a save.
    func keepForComparison() {
        if interval != nil, sums == nil { sums = measured { pieces.map(sum) } }
    }

    /// The pieces that are not as the last step has left them.
    func changed() -> [Int] {
        guard let sums else { return [] }
        return measured { pieces.indices.filter { sum(pieces[$0]) != sums[$0] } }
    }

    /// Takes pieces that were healed for right.
    func renew(_ healed: [Int]) {
        for number in healed { sums?[number] = sum(pieces[number]) }
    }

    /// Whether a piece is as it should be.
    func isRight(_ number: Int) -> Bool { sums.map { sum(pieces[number]) == $0[number] } ?? true }

    // MARK: replicas

    /// A sum of every entry that others hold too, for comparison; as many numbers on every rank.
    var votes: [Int64] {
        measured {
            var votes = [Int64](repeating: 0, count: room)
            guard let sums else { return votes }
            for (number, places) in shared.enumerated() {
                votes[number] = Int64(bitPattern: places.reduce(0) { ($0 << 1 | $0 >> 63) &+ sums[$1] })
            }
            return votes
        }
    }

    /// Compares what several ranks hold by their sums.
    /// - Parameter vote: a vote of a rank.
    /// - Returns: how they differ.
    func dispute(_ vote: (_ rank: Int, _ number: Int) -> Int64) -> Dispute {
        measured {
            var dispute = Dispute()
            for group in groups {
                func value(_ holder: Holder) -> Int64 { vote(holder.rank, holder.number) }
                guard let first = group.first.map(value), !group.allSatisfy({ value($0) == first }) else { continue }
                let votes = Dictionary(grouping: group, by: value)
                guard let (right, voters) = votes.max(by: { $0.value.count < $1.value.count }),
                    2 * voters.count > group.count
                else {
                    dispute.undecided.append(group)
                    continue
                }
                dispute.isDecided = true
                for holder in group where holder.rank == world.rank && value(holder) != right {
                    dispute.wrong += shared[holder.number]
                }
            }
            return dispute
        }
    }
}

extension StateGuard {
    /// Collective. What no majority has decided, in words that are the same on every rank.
    func faults(of undecided: [[Holder]]) throws(MPIError) -> [StateFault] {
        guard let holders = undecided.first, let first = holders.first else { return [] }
        let isMine = first.rank == world.rank
        let entry = isMine ? shared[first.number].first.map { state.entries[pieces[$0].entry] } : nil
        let name = try world.broadcast(bytes: Array((entry?.key ?? "").utf8), from: first.rank)
        let count = Int(try world.broadcast(Int64(entry?.count ?? 0), from: first.rank))
        var fault = StateFault(
            rank: first.rank, tensor: String(decoding: name, as: UTF8.self), first: 0, last: max(0, count - 1))
        fault.others = holders.dropFirst().map(\.rank)
        return [fault]
    }
}

extension StateDictionary.Entry {
    /// A number that entries with the same elements of the same tensor have in common; never 0.
    fileprivate var signature: Int64 {
        var mixed: UInt64 = 0
        func add(_ number: Int) { mixed = SplitMix64.mixed(mixed ^ UInt64(bitPattern: Int64(number))) }
        for byte in key.utf8 { add(Int(byte)) }
        for pattern in RunPattern.patterns(of: runs) { pattern.numbers.forEach(add) }
        return Int64(bitPattern: mixed | 1)
    }
}

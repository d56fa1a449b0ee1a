/// Unigram: of all ways to cut a word into pieces, the one whose scores have the greatest sum (Viterbi).
struct UnigramModel: Sendable {
    /// Children of the nodes of a tree of pieces, by node and byte.
    private let children: NumberTable
    /// The piece that ends at each node; -1: none.
    private let ends: [Int32]
    private let scores: [Double]
    /// The tokens `<0x00>` to `<0xFF>`; -1: none. Empty: they are not used.
    private let fallback: [Int32]
    private let unknown: Int32
    private let unknownScore: Double
    /// What SentencePiece takes off the lowest score for an unknown character.
    private static let penalty = 10.0

    init(pieces: [(bytes: [UInt8], score: Double)], unknown: Int32, fallback: [Int32]) {
        var built: [UInt64: Int32] = [:]
        var ends: [Int32] = [-1]
        for (id, piece) in pieces.enumerated() {
            var node: Int32 = 0
            for byte in piece.bytes {
                let key = UInt64(node) << 8 | UInt64(byte)
                if let next = built[key] {
                    node = next
                } else {
                    let next = Int32(truncatingIfNeeded: ends.count)
                    built[key] = next
                    ends.append(-1)
                    node = next
                }
            }
            if node > 0 { ends[Int(node)] = Int32(truncatingIfNeeded: id) }
        }
        children = NumberTable(built.map { ($0.key, $0.value) })
        self.ends = ends
        scores = pieces.map(\.score)
        self.unknown = unknown
        self.fallback = fallback
        unknownScore = (scores.min() ?? 0) - Self.penalty
    }

    /// Buffers of one thread.
    final class Lattice {
        fileprivate var best: [Double] = []
        fileprivate var starts: [Int] = []
        fileprivate var pieces: [Int32] = []
        fileprivate var path: [(start: Int, end: Int, piece: Int32)] = []
    }

    func encode(_ word: UnsafeBufferPointer<UInt8>, _ lattice: Lattice, _ found: inout [Int32]) {
        let size = word.count
        if lattice.best.count <= size {
            lattice.best = [Double](repeating: 0, count: size + 1)
            lattice.starts = [Int](repeating: -1, count: size + 1)
            lattice.pieces = [Int32](repeating: -1, count: size + 1)
        }
        for place in 0...size { lattice.starts[place] = -1 }
        lattice.best[0] = 0
        var place = 0
        while place < size {
            let here = lattice.best[place]
            let length = Scalars.next(word, place).length
            var hasSingle = false
            func offer(_ end: Int, _ score: Double, _ piece: Int32) {
                if lattice.starts[end] < 0 || score > lattice.best[end] {
                    lattice.best[end] = score
                    lattice.starts[end] = place
                    lattice.pieces[end] = piece
                }
            }
            var node: Int32 = 0
            var end = place
            while end < size {
                node = children.value(UInt64(node) << 8 | UInt64(word[end]))
                guard node >= 0 else { break }
                end += 1
                let piece = ends[Int(node)]
                guard piece >= 0 else { continue }
                offer(end, scores[Int(piece)] + here, piece)
                if end - place == length { hasSingle = true }
            }
            if !hasSingle { offer(place + length, unknownScore + here, unknown) }
            place += length
        }
        lattice.path.removeAll(keepingCapacity: true)
        var end = size
        while end > 0 {
            let (start, piece) = (lattice.starts[end], lattice.pieces[end])
            // Unknown characters in a row are one piece.
            if piece == unknown, let last = lattice.path.last, last.piece == unknown {
                lattice.path[lattice.path.count - 1].start = start
            } else {
                lattice.path.append((start, end, piece))
            }
            end = start
        }
        for (start, end, piece) in lattice.path.reversed() {
            if piece == unknown, !fallback.isEmpty,
                (start..<end).allSatisfy({ fallback[Int(word[$0])] >= 0 })
            {
                for place in start..<end { found.append(fallback[Int(word[place])]) }
            } else {
                found.append(piece)
            }
        }
    }
}

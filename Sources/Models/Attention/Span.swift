/// The keys that a query sees. Of a causal attention: those of them that are not behind the query.
package enum Span: Hashable, Sendable {
    /// All keys.
    case all
    /// The nearest keys, the query's own included; without a mask half of them on each side (Beltagy et al. 2020).
    case window(Int)
    /// The best keys of all before the query, by an indexer's scores.
    case chosen(Int)
    /// The best blocks of keys of all before the query, and of its own block those before it.
    case blocks(Int, size: Int)
    /// The nearest keys, and keys that each stand for `ratio` tokens: the best of those before the query, or all.
    case compressed(window: Int, ratio: Int, chosen: Int?)
    /// The keys of the query's own chunk of the sequence.
    case chunk(Int)

    init(_ block: BlockShape) {
        if let indexer = block.mla?.indexer {
            self = .chosen(indexer.topK)
        } else if let blocks = block.keyBlocks {
            self = .blocks(blocks.topK, size: blocks.size)
        } else if let compression = block.keyCompression {
            self = .compressed(
                window: block.window ?? 0, ratio: compression.ratio, chosen: compression.indexer?.topK)
        } else if let window = block.window {
            self = .window(window)
        } else if let chunk = block.chunk {
            self = .chunk(chunk)
        } else {
            self = .all
        }
    }

    /// Mean number of keys that a query sees in a sequence of `length` tokens. Under a causal mask a query in the middle
    /// of the first w tokens sees half of them, and every later one sees w. Without one, the windows of the queries at
    /// both ends of the sequence are cut by less than half.
    func keysSeen(length: Double, isCausal: Bool) -> Double {
        guard isCausal else {
            guard case .window(let window) = self else { return 2 * keysSeen(length: length, isCausal: true) }
            let width = min(Double(window), 2 * length)
            return width - width * width / (4 * length)
        }
        switch self {
        case .all: return length / 2
        case .window(let window), .chosen(let window): return Self.nearest(Double(window), of: length)
        case .blocks(let count, let size):
            // Behind the first blocks, a query sees all but one of its blocks whole, and half of its own.
            let (size, first) = (Double(size), min(Double(count) * Double(size), length))
            let rest = length - first
            let whole = (rest / size).rounded(.down) * size
            let own = (whole * size + (rest - whole) * (rest - whole)) / 2
            return (first * first / 2 + rest * Double(count - 1) * size + own) / length
        case .compressed(let window, let ratio, let chosen):
            let far = chosen.map { Self.nearest(Double($0) * Double(ratio), of: length) } ?? length / 2
            return Self.nearest(Double(window), of: length) + far / Double(ratio)
        case .chunk(let chunk):
            // The last chunk of a sequence may be shorter.
            let chunk = Double(chunk)
            let whole = (length / chunk).rounded(.down)
            let rest = length - whole * chunk
            return (whole * chunk * chunk + rest * rest) / (2 * length)
        }
    }

    /// Mean number of keys if each query sees `most` of those before it.
    private static func nearest(_ most: Double, of length: Double) -> Double {
        let most = min(most, length)
        return most - most * most / (2 * length)
    }

    /// Number of exchanges of a ring of `ranks` that divide a sequence of `length` tokens. Chosen keys may lie anywhere
    /// before the query, so that they need the whole ring.
    func exchanges(ranks: Double, length: Double, isCausal: Bool) -> Double {
        let share = length / ranks
        switch self {
        case .all, .chosen, .blocks, .compressed: return ranks - 1
        case .window(let window):
            guard isCausal else { return min(ranks - 1, 2 * (Double(window / 2) / share).rounded(.up)) }
            return min(ranks - 1, (Double(window - 1) / share).rounded(.up))
        case .chunk(let chunk) where !isCausal:
            // The rank whose chunks lie on most ranks.
            let chunk = Double(chunk)
            return (0..<max(1, Int(ranks))).reduce(0) { most, rank in
                let first = (Double(rank) * share / chunk).rounded(.down) * chunk
                let end = min(length, ((Double(rank) + 1) * share / chunk).rounded(.up) * chunk)
                return max(most, (end / share).rounded(.up) - (first / share).rounded(.down) - 1)
            }
        case .chunk(let chunk):
            // The rank whose first chunk begins most ranks before it. Chunks need not begin where a rank's part does.
            let chunk = Double(chunk)
            return (0..<max(1, Int(ranks))).reduce(0) { most, rank in
                let start = (Double(rank) * share / chunk).rounded(.down) * chunk
                return max(most, Double(rank) - (start / share).rounded(.down))
            }
        }
    }

    /// The factor by which a formula of attention over all keys is multiplied.
    func words(isCausal: Bool) -> String {
        switch self {
        case .all: ""
        case .window where !isCausal: "·min(w_k, 2·s)·(4·s − min(w_k, 2·s))/(4·s^2)"
        case .window, .chosen: "·min(w_k, s)·(2·s − min(w_k, s))/s^2"
        case .blocks:
            "·(min(n_b·w_b, s)^2 + 2·(s − min(n_b·w_b, s))·(n_b − 1)·w_b"
                + " + floor((s − min(n_b·w_b, s))/w_b)·w_b^2"
                + " + (s − min(n_b·w_b, s) − floor((s − min(n_b·w_b, s))/w_b)·w_b)^2)/s^2"
        case .compressed(_, _, let chosen):
            "·(min(w_k, s)·(2·s − min(w_k, s)) + "
                + (chosen == nil ? "s^2" : "min(n_k·w_c, s)·(2·s − min(n_k·w_c, s))") + "/w_c)/s^2"
        case .chunk: "·(floor(s/w_k)·w_k^2 + (s − floor(s/w_k)·w_k)^2)/s^2"
        }
    }

    var sizes: [SizeSymbol] {
        switch self {
        case .all: []
        case .window(let window), .chosen(let window): [SizeSymbol("w_k", window, "keys a query sees")]
        case .blocks(let count, let size):
            [SizeSymbol("n_b", count, "blocks of keys a query sees"), SizeSymbol("w_b", size, "keys of a block")]
        case .compressed(let window, let ratio, let chosen):
            [
                SizeSymbol("w_k", window, "nearest keys a query sees"),
                SizeSymbol("w_c", ratio, "tokens that a compressed key stands for"),
            ] + (chosen.map { [SizeSymbol("n_k", $0, "compressed keys a query sees")] } ?? [])
        case .chunk(let chunk): [SizeSymbol("w_k", chunk, "tokens of a chunk")]
        }
    }
}

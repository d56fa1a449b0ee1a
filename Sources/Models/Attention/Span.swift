/// The keys that a query sees. Of a causal attention: those of them that are not behind the query.
package enum Span: Hashable, Sendable {
    /// All keys.
    case all
    /// The nearest keys, the query's own included; without a mask half of them on each side (Beltagy et al. 2020).
    case window(Int)
    /// The best keys of all before the query, by an indexer's scores.
    case chosen(Int)
    /// The keys of the query's own chunk of the sequence.
    case chunk(Int)

    init(_ block: BlockShape) {
        if let indexer = block.mla?.indexer {
            self = .chosen(indexer.topK)
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
        case .window(let window), .chosen(let window):
            let window = min(Double(window), length)
            return window - window * window / (2 * length)
        case .chunk(let chunk):
            // The last chunk of a sequence may be shorter.
            let chunk = Double(chunk)
            let whole = (length / chunk).rounded(.down)
            let rest = length - whole * chunk
            return (whole * chunk * chunk + rest * rest) / (2 * length)
        }
    }

    /// Number of exchanges of a ring of `ranks` that divide a sequence of `length` tokens. Chosen keys may lie anywhere
    /// before the query, so that they need the whole ring.
    func exchanges(ranks: Double, length: Double, isCausal: Bool) -> Double {
        let share = length / ranks
        switch self {
        case .all, .chosen: return ranks - 1
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
        case .chunk: "·(floor(s/w_k)·w_k^2 + (s − floor(s/w_k)·w_k)^2)/s^2"
        }
    }

    var sizes: [SizeSymbol] {
        switch self {
        case .all: []
        case .window(let window), .chosen(let window): [SizeSymbol("w_k", window, "keys a query sees")]
        case .chunk(let chunk): [SizeSymbol("w_k", chunk, "tokens of a chunk")]
        }
    }
}

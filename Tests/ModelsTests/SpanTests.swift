import Models
import Testing

/// Keys that queries see, against counts over all positions of a sequence.
@Suite struct SpanTests {
    /// A span, with the first key that the query at a position sees if that is known without scores, and the most keys.
    struct Row: Sendable, CustomTestStringConvertible {
        var window: Int?
        var chunk: Int?
        var topK: Int?

        var testDescription: String { "window \(window ?? 0), chunk \(chunk ?? 0), topK \(topK ?? 0)" }

        var core: CoreAttention {
            var model = Model(family: .llama, layers: 1, hidden: 64, heads: 4, vocab: 256, sequence: 64)
            model.block.window = window
            model.block.chunk = chunk
            if let topK {
                model.mla = Model.LatentAttention(queryRank: 8, kvRank: 8, nopeSize: 8, ropeSize: 8, valueSize: 8)
                model.mla?.indexer = Model.Indexer(heads: 2, headSize: 4, topK: topK)
            }
            return model.coreAttention
        }

        /// Keys that the query at `place` sees, its own included.
        func keys(_ place: Int) -> [Int] {
            let keys = (0...place).filter { key in
                if let window { return place - key < window }
                if let chunk { return key / chunk == place / chunk }
                return true
            }
            return Array(keys.suffix(topK ?? .max))
        }
    }

    static let rows: [Row] =
        [Row()] + [1, 2, 3, 7, 20, 63, 64, 65, 1000].flatMap { [Row(window: $0), Row(chunk: $0), Row(topK: $0)] }
        + [5, 16, 24, 48].map { Row(chunk: $0) }

    /// The mean differs from that of positions by half a key at most: the query's own, of which a causal mask shows half.
    @Test(arguments: rows, [1, 2, 48, 60, 64]) func keysOfAMeanQuery(_ row: Row, _ length: Int) {
        let mean = Double((0..<length).reduce(0) { $0 + row.keys($1).count }) / Double(length)
        let found = row.core.keysSeen(length: Double(length))
        #expect(found <= mean && found >= mean - 0.5)
        // Without the keys at the edge of the mask, half of which count.
        let edges = (0..<length).reduce(0.0) { sum, place in
            let keys = row.keys(place).count
            let isFull = row.chunk == nil && keys < place + 1 || keys == row.window || keys == row.topK
            let before = place == 0 ? 0 : row.keys(place - 1).count
            let grows = row.chunk == nil ? keys > before : true
            return sum + (isFull && !grows ? 0 : 0.5)
        }
        #expect(abs(found - (mean - edges / Double(length))) < 1e-12)
    }

    /// Ranks that hold neighbouring parts of a sequence pass keys on until every query has met all that it sees.
    @Test(arguments: rows, [1, 2, 3, 4, 6, 12]) func exchangesOfARing(_ row: Row, _ ranks: Int) {
        let (length, share) = (60, 60 / ranks)
        let farthest = (0..<length).map { place in
            place / share - (row.topK == nil ? row.keys(place)[0] / share : 0)
        }.max()
        #expect(row.core.exchanges(ranks: Double(ranks), length: Double(length)) == Double(farthest ?? 0))
    }

    @Test func whatHasNoAttentionExchangesNothing() {
        var model = Model(family: .llama, layers: 1, hidden: 64, heads: 4, vocab: 256, sequence: 64)
        model.block.halves = .feedForward
        #expect(model.coreAttention.exchanges(ranks: 4, length: 64) == 0)
        #expect(model.coreAttention.work(length: 64) == 0)
    }
}

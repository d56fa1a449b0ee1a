import Costs
import Models
import Planner
import Plans
import Testing

/// Attention to the best blocks of keys, and to keys that stand for several tokens.
@Suite struct ChosenKeyTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var keys: String
        /// Half of the multiply-adds of a token, and the parameters of a block beyond those without.
        var work: Double
        var parameters: Int
    }

    /// 4 heads of 16 numbers, one of keys. Sequences of 64 tokens.
    private static func plan(_ keys: String, _ layout: String = "{}", sequence: Int = 64) throws -> Plan {
        try Plan.reading(
            """
            model: {family: llama, layers: 4, hidden: 32, heads: 4, kvHeads: 1, headSize: 16, ffn: 64, vocab: 256,
                    sequence: \(sequence)\(keys)}
            cluster: h100-80g-sxm
            batch: 16
            layout: \(layout)
            """)
    }

    private static let blocks = ", keyBlocks: {size: 8, topK: 3, heads: 2, headSize: 4}"
    private static let shared = ", keyValues: keysAreValues, window: 8"
    private static let far = shared + ", keyCompression: {ratio: 16}"
    private static let best =
        shared + ", keyCompression: {ratio: 4, overlap: true, indexer: {heads: 2, headSize: 6, topK: 5}}"

    static let cases = [
        // Queries 0 to 23 see all keys before them, the others two blocks of 8 and half of their own: (24²/2 + 40·20)/64
        // keys of 64 numbers; the indexer scores all 32 of the mean query with 2·4/2.
        Case(
            testDescription: "blocks", keys: blocks, work: (288 + 800.0) / 64 * 64 + 32 * 4,
            parameters: 32 * 3 * 4 + 8),
        // 8 − 8²/128 near keys, and 64/(2·16) far ones.
        Case(
            testDescription: "all compressed keys", keys: far, work: (7.5 + 2) * 64,
            parameters: 2 * 32 * 16 + 16 * 16 + 16),
        // 20 tokens' keys at most: (20 − 20²/128)/4 far ones. The indexer scores 8 with 2·7/2.
        Case(
            testDescription: "the best compressed keys", keys: best, work: (7.5 + 16.875 / 4) * 64 + 8 * 7,
            parameters: 2 * 32 * 32 + 4 * 32 + 16 + 2 * 32 * 12 + 4 * 12 + 6 + 32 * 12 + 32 * 2),
    ]

    @Test(arguments: cases) func countedByHand(_ one: Case) throws {
        let model = try Self.plan(one.keys).model
        #expect(abs(model.coreAttention.ownWork(length: 64) - one.work) < 1e-12)
        let plain = try Self.plan(one.keys.contains("keysAreValues") ? Self.shared : "").model
        #expect(model.parameters().total - plain.parameters().total == 4 * one.parameters)
    }

    /// With fewer tokens than a query may choose, it sees all before it.
    @Test func shortSequences() throws {
        func keys(_ keys: String, _ sequence: Int) throws -> Double {
            try Self.plan(keys, sequence: sequence).model.coreAttention.keysSeen(length: Double(sequence))
        }
        #expect(try keys(Self.blocks, 16) == 8)
        #expect(try keys(Self.best, 16) == 8 - 64.0 / 32 + 8.0 / 4)
    }

    @Test(arguments: cases) func partsAgree(_ one: Case) throws {
        let model = try Self.plan(one.keys).model
        let attention = try #require(ModelParts(model).blocks.first).attention
        let words = attention.words
        let sizes = Dictionary(
            words.sizes.map { ($0.symbol, $0.value) } + [("h", 32.0), ("a", 4), ("s", 64)]
        ) { first, _ in first }
        #expect(try FormulaByHand.value(words.parameters, sizes) == Double(attention.part.tensors.parameters))
        #expect(try FormulaByHand.value(words.weights, sizes) == attention.part.products.weights)
        let whole = try FormulaByHand.value(try #require(words.wholeParameters), sizes)
        #expect(whole == Double(attention.part.tensors.wholeParameters))
    }

    @Test(
        arguments: cases,
        [
            "{}", "{tensor: 2, pipeline: 2, recompute: full}", "{context: 2, recompute: full, recomputeLayers: 1}",
            "{tensor: 4, sequenceParallel: true}", "{pipeline: 2, schedule: zb-h1, flashAttention: false}",
        ])
    func explanationsGiveTheFigures(_ one: Case, _ layout: String) throws {
        let plan = try Self.plan(one.keys, layout)
        let estimate = try price(plan: plan, layout: try #require(plan.layout))
        for outcome in [
            try ExplainedValues.document(estimate), try ExplainedValues.text(estimate),
            try ExplainedValues.inputs(estimate),
        ] {
            #expect(outcome.failure == nil, "\(outcome)")
        }
    }
}

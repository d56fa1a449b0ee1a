import Models
import Plans
import Reading
import TestSupport
import Testing

/// Models with features and kinds of block that contradict each other, each said with its line and column.
@Suite struct BadModelTests {
    private func problems(_ lines: String) -> [String] {
        let model = "  layers: 12\n" + lines.split(separator: "\n").map { "  \($0)\n" }.joined()
        return PlanText.problems(BadPlan.good.replacing("  layers: 12\n", with: model))
    }

    static let wrong: [(lines: String, said: [String])] = [
        (
            "kinds: {a: {window: 8}}\npattern: a*11",
            ["plan.yaml:5:12: model.pattern: the pattern must name a kind for each of the 12 layers (found 11 blocks)"]
        ),
        (
            "kinds: {local: {window: 8}, global: {}}\npattern: (locla*5 global)*2",
            ["plan.yaml:5:12: model.pattern: is not a kind of block (found 'locla'); did you mean 'local'?"]
        ),
        (
            "kinds: {local: {}}\npattern: (mamba gated)*6",
            [
                "plan.yaml:5:12: model.pattern: is not a kind of block (found 'mamba'); kinds: local",
                "plan.yaml:5:12: model.pattern: is not a kind of block (found 'gated'); kinds: local",
            ]
        ),
        (
            "kinds: {a: {}, b: {}}",
            ["plan.yaml:4:10: model.kinds: need a pattern that says which block is of which kind"]
        ),
        (
            "pattern: a*12",
            ["plan.yaml:4:12: model.pattern: is not a kind of block (found 'a'); describe it under kinds"]
        ),
        (
            "window: 8\nhalves: feedForward",
            ["plan.yaml:4:11: model.window: needs a block with attention (found 8)"]
        ),
        (
            "kinds: {a: {halves: feedForward, window: 8, sinks: true}}\npattern: a*12",
            [
                "plan.yaml:4:44: model.kinds.a.window: needs a block with attention (found 8)",
                "plan.yaml:4:54: model.kinds.a.sinks: needs a block with attention (found true)",
            ]
        ),
        ("window: 8\nchunk: 16", ["plan.yaml:5:10: model.chunk: a block has a window or chunks, not both (found 16)"]),
        (
            "mla: {kvRank: 8, nopeSize: 8, ropeSize: 8, valueSize: 8, indexer: {heads: 2, headSize: 8, topK: 4}}",
            ["plan.yaml:4:69: model.mla.indexer: takes its queries from latent queries (found (given))"]
        ),
        (
            "mla: {kvRank: 8, nopeSize: 8, ropeSize: 8, valueSize: 8}\nsinks: true",
            ["plan.yaml:5:10: model.sinks: latent attention has none (found true); remove sinks, or mla"]
        ),
        (
            "mla: {kvRank: 8, queryRank: 8, nopeSize: 8, ropeSize: 8, valueSize: 8, indexer: {heads: 2, topK: 4}}",
            ["plan.yaml:4:83: model.mla.indexer.headSize: is missing; e.g. 128"]
        ),
        (
            "qkNorm: heds",
            ["plan.yaml:4:11: model.qkNorm: must be none, head, heads or whole (found 'heds'); did you mean 'heads'?"]
        ),
        (
            "outputGate: elementwize",
            [
                "plan.yaml:4:15: model.outputGate: must be none, elementwise or head (found 'elementwize'); "
                    + "did you mean 'elementwise'?"
            ]
        ),
        ("biases: [head, router, head]", ["plan.yaml:4:26: model.biases[2]: is named twice (found 'head')"]),
        ("biases: al", ["plan.yaml:4:11: model.biases: must be a list such as [1, 2] (found 'al')"]),
        (
            "norms: both\nparallel: oneNorm",
            ["plan.yaml:4:10: model.norms: halves side by side have their norms before them (found both)"]
        ),
        (
            "keyValues: keysAreValues\nvalueSize: 32",
            ["plan.yaml:5:14: model.valueSize: values that are keys have the size of keys, 64 (found 32)"]
        ),
        (
            "moe: {experts: 4, topK: 2, ffn: 64, sharedGate: true}",
            ["plan.yaml:4:51: model.moe.sharedGate: needs shared experts, whose result it multiplies (found true)"]
        ),
        (
            "halves: attention\nmoe: {experts: 4, topK: 2, ffn: 64}",
            ["plan.yaml:5:8: model.moe: needs a block with a feed-forward half (found (given))"]
        ),
        (
            "kinds: {a: {wndow: 8}, b: {moe: {experts: 2, topK: 3, ffn: 8}}}\npattern: (a b)*6",
            [
                "plan.yaml:4:15: model.kinds.a.wndow: unknown key; did you mean 'window'?",
                "plan.yaml:4:54: model.kinds.b.moe.topK: must be at most the 2 experts (found 3)",
            ]
        ),
        ("kinds: {a: 3}\npattern: a*12", ["plan.yaml:4:14: model.kinds.a: must be a map of keys and values"]),
        ("kinds: {}\npattern: a*12", ["plan.yaml:5:12: model.pattern: is not a kind of block"]),
    ]

    @Test(arguments: wrong.indices) func isSaidInItsPlace(_ index: Int) {
        let (lines, said) = Self.wrong[index]
        let found = problems(lines)
        #expect(found.count == said.count, "\(lines): \(found)")
        for (found, said) in zip(found, said) { #expect(found.hasPrefix(said), "\(found)") }
    }

    /// Faults of several keys come together.
    @Test func allAtOnce() {
        let found = problems(
            """
            qkNorm: heds
            biases: [head, head]
            norm: rms
            positions: rotery
            kinds: {a: {window: 0}, b: {halves: none, norms: after}}
            pattern: (a c)*6
            """)
        let fields = found.map { String($0.split(separator: ": ")[1]) }
        #expect(
            fields.sorted() == [
                "model.biases[1]", "model.kinds.a.window", "model.kinds.b.halves", "model.kinds.b.norms", "model.norm",
                "model.pattern", "model.positions", "model.qkNorm",
            ], "\(found)")
    }

    /// A kind without experts beside kinds with them.
    @Test func aKindMayHaveNoExperts() throws {
        let text = BadPlan.good.replacing(
            "  layers: 12\n",
            with: "  layers: 12\n  moe: {experts: 4, topK: 2, ffn: 64}\n  kinds: {dense: {moe: none}, sparse: {}}\n"
                + "  pattern: dense sparse*11\n")
        let model = try PlanText.read(text).model
        #expect(model.mixtureLayers == 11 && model.denseLayers == 1 && !model.hasExperts(0) && model.hasExperts(1))
        #expect(model.parameters().kinds.map(\.count) == [1, 11])
    }

    /// Experts of every kind are divided by the layout's degrees.
    @Test func expertsOfKindsAreSpread() throws {
        func text(_ experts: Int) -> String {
            BadPlan.good.replacing(
                "  layers: 12\n",
                with: "  layers: 12\n  kinds: {dense: {}, sparse: {moe: {experts: \(experts), topK: 2, ffn: 64}}}\n"
                    + "  pattern: (dense sparse)*6\n"
            ).replacing("  tensor: 2", with: "  tensor: 2\n  expert: 4")
        }
        #expect(PlanText.problems(text(8)) == [])
        let problems = PlanText.problems(text(6))
        #expect(problems.count == 1 && problems[0].contains("must divide model.moe.experts 6"), "\(problems)")
    }
}

import Foundation
import Models
import Plans
import Reading
import Testing

/// Rules of token mixers.
@Suite struct MixerRuleTests {
    private func problems(_ keys: String, layout: String = "{}") -> [String] {
        PlanText.problems(
            """
            model:
              family: llama
              layers: 4
              hidden: 256
              vocab: 1024
              sequence: 128
            \(keys)
            cluster: a100-80g-sxm
            batch: 8
            layout: \(layout)
            """)
    }

    private static let sizes = "{heads: 8, headSize: 64, stateSize: 16}"

    @Test func aMixerNeedsNoSizesOfAttention() {
        #expect(problems("  ffn: 512\n  mamba2: \(Self.sizes)") == [])
        #expect(problems("  halves: attention\n  mamba2: \(Self.sizes)") == [])
        #expect(
            problems("  mamba2: \(Self.sizes)\n  besideAttention: true").map(Self.rule) == [
                "model.heads: is missing", "model.ffn: is missing",
            ])
    }

    /// A kind with attention beside kinds with mixers needs them.
    @Test func aKindWithAttentionNeedsItsSizes() {
        let kinds = "  kinds: {m: {mamba2: \(Self.sizes), halves: attention}, a: {halves: attention}}\n  pattern: m*3 a"
        #expect(problems(kinds).map(Self.rule) == ["model.heads: is missing"])
        #expect(problems("  heads: 4\n" + kinds) == [])
    }

    /// Everything wrong is said at once, each with its line and column.
    @Test func allProblemsAreSaid() {
        let said = problems(
            """
              ffn: 512
              heads: 4
              window: 64
              qkNorm: head
              mla: {kvRank: 64, nopeSize: 32, ropeSize: 16, valueSize: 32}
              mamba2: {heads: 8, headSize: 64, stateSize: 16, groups: 3}
              gatedDeltaNet: {keyHeads: 3, valueHeads: 8, keySize: 32, valueSize: 32}
              rgLRU: {width: 100, blocks: 3}
            """)
        for words in [
            "plan.yaml:9:11: model.window: a block with gatedDeltaNet has no softmax attention",
            "plan.yaml:10:11: model.qkNorm: a block with gatedDeltaNet has no softmax attention",
            "plan.yaml:11:8: model.mla: a block with gatedDeltaNet has no softmax attention",
            "plan.yaml:12:11: model.mamba2: a block has one token mixer, and has gatedDeltaNet",
            "model.mamba2.groups: must divide heads 8 (found 3)",
            "model.gatedDeltaNet.keyHeads: must divide valueHeads 8 (found 3)",
            "plan.yaml:14:10: model.rgLRU: a block has one token mixer, and has gatedDeltaNet",
            "model.rgLRU.blocks: must divide width 100 (found 3)",
        ] {
            #expect(said.contains { $0.contains(words) }, "\(words) in \(said)")
        }
    }

    @Test func groupsAreAtMostTheHeads() {
        let said = problems("  ffn: 512\n  mamba2: {heads: 8, headSize: 64, stateSize: 16, groups: 16}")
        #expect(said.map(Self.rule) == ["model.mamba2.groups: must divide heads 8"])
    }

    @Test func aBlockWithoutAttentionHasNoMixer() {
        let said = problems("  ffn: 512\n  heads: 4\n  halves: feedForward\n  mamba2: \(Self.sizes)")
        #expect(said.map(Self.rule) == ["model.mamba2: stands in place of the attention"])
        #expect(
            problems("  ffn: 512\n  heads: 4\n  besideAttention: true").map(Self.rule)
                == ["model.besideAttention: needs a token mixer"])
    }

    @Test(arguments: [
        ("mamba2: {heads: 8, headSize: 64}", "model.mamba2.stateSize: is missing"),
        ("mamba2: {heads: 8, headSize: 64, stateSize: 16, kernel: 0}", "model.mamba2.kernel: must be a whole number"),
        ("mamba: {inner: 512, rank: 16}", "model.mamba.stepRank: is missing"),
        ("mamba: {inner: 512, stepRank: 16, groups: 2}", "model.mamba.groups: unknown key"),
        ("shortConvolution: {}", "model.shortConvolution.kernel: is missing"),
        ("lightningAttention: 8", "model.lightningAttention: must be"),
    ])
    func mistakesInAMap(_ keys: String, _ words: String) {
        let said = problems("  ffn: 512\n  \(keys)")
        #expect(said.contains { $0.contains(words) }, "\(said)")
    }

    /// Tensor ranks cut heads and groups, and several groups alone.
    @Test(arguments: [
        ("mamba2: {heads: 6, headSize: 64, stateSize: 16}", "must divide model.mamba2.heads 6"),
        ("mamba2: {heads: 8, headSize: 64, stateSize: 16, groups: 2}", "must divide model.mamba2.groups 2"),
        ("mamba2: {heads: 8, headSize: 64, stateSize: 16}", nil),
        (
            "gatedDeltaNet: {keyHeads: 2, valueHeads: 8, keySize: 32, valueSize: 32}",
            "must divide model.gatedDeltaNet.keyHeads 2"
        ),
        ("mamba: {inner: 510, stepRank: 16}", "must divide model.mamba.inner 510"),
        ("rgLRU: {width: 300, blocks: 6}", "must divide model.rgLRU.blocks 6"), ("shortConvolution: {kernel: 3}", nil),
    ])
    func tensorRanksCutHeads(_ keys: String, _ words: String?) {
        let said = problems("  ffn: 512\n  \(keys)", layout: "{tensor: 4}")
        if let words {
            #expect(said.contains { $0.contains("layout.tensor") && $0.contains(words) }, "\(said)")
        } else {
            #expect(said == [])
        }
    }

    /// A plan that is written reads back as the same model.
    @Test func mixersAreWrittenAsTheyAreRead() throws {
        let plan = try PlanText.read(
            """
            model: {family: llama, layers: 5, hidden: 256, heads: 4, ffn: 512, vocab: 1024, sequence: 128,
              mamba: {inner: 512, stepRank: 16, norms: true, convolutionBias: false}, kinds: {m: {},
              k: {mamba: none, kimiDeltaAttention: {heads: 4, headSize: 64, gateRank: 64}},
              b: {mamba: none, mamba2: {heads: 8, headSize: 64, stateSize: 16, norm: false}, besideAttention: true},
              a: {mamba: none}}, pattern: m k b a a}
            cluster: a100-80g-sxm
            batch: 8
            layout: {}
            """)
        let lines = plan.model.yaml.map { "  " + $0 }.joined(separator: "\n")
        let again = try PlanText.read("model:\n\(lines)\ncluster: a100-80g-sxm\nbatch: 8\nlayout: {}\n")
        #expect(again.model == plan.model)
        #expect(again.model.kinds.map(\.shape.mixers.count) == [1, 1, 1, 0])
    }

    /// A problem without its place and the value found.
    private static func rule(_ problem: String) -> String {
        let words = problem.split(separator: ": ").dropFirst().joined(separator: ": ")
        return String(words.prefix { $0 != ";" && $0 != "(" }).trimmingCharacters(in: .whitespaces)
    }
}

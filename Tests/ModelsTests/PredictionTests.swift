import Models
import Reading
import TestSupport
import Testing

/// Multi-token prediction: modules of three norms, a matrix that joins two rows, and a block.
@Suite struct PredictionTests {
    /// The safetensors files of deepseek-ai/DeepSeek-V3 hold 680,571,043,840 numbers of 8 bits, 3,918,786,560 in bf16, and
    /// in fp32 a correction for each expert of 59 blocks beside the scales: the model, one module, and the module's copies
    /// of both tables ("671B of the main model weights and 14B of the multi-token prediction module weights").
    @Test func deepSeekHasItsModule() throws {
        var model = try Model.read("deepseek-v3", library: Checkout.library)
        model.block.moe?.routerCorrection = true
        let main = model.parameters().total
        model.mtp = Model.MultiTokenPrediction(layers: 1)
        let all = model.parameters().total
        let copies = 2 * 129_280 * 7168
        #expect(all + copies == 680_571_043_840 + 3_918_786_560 + 59 * 256)
        #expect(all - main == 11_610_068_224)
        // 9 of 257 experts.
        #expect(model.parameters().active > 37_000_000_000)
    }

    /// MiMo 7B's layer of multi-token prediction, as its configuration's note counts it: 5 norms, biases of queries, keys
    /// and values, and 2·4096² to join the rows.
    @Test func miMoHasItsLayer() {
        var model = Model(
            family: .llama, layers: 36, hidden: 4096, heads: 32, kvHeads: 8, ffn: 11008, vocab: 151_680,
            sequence: 4096)
        model.biases = [.attentionInput]
        let main = model.parameters().total
        model.mtp = Model.MultiTokenPrediction(layers: 1)
        #expect(model.parameters().total - main == 210_790_400)
    }

    /// Megatron-LM's `num_floating_point_operations` with `mtp_num_layers` 1 and without, for one sequence of DeepSeek-V3.
    /// It counts the weights of norms (three of the module, two of latents) and leaves out the router's.
    @Test func floatingPointOperationsAreMegatrons() throws {
        var model = try Model.read("deepseek-v3", library: Checkout.library)
        let main = FLOPs(model: model, sequences: 1).requiredCausal
        model.mtp = Model.MultiTokenPrediction(layers: 1)
        let added = FLOPs(model: model, sequences: 1).requiredCausal - main
        let norms = 6.0 * 4096 * (3 * 7168 + 1536 + 512)
        #expect(added == 41_700_953_161_728 - norms + 6 * 4096 * 256 * 7168)
    }

    /// Modules have the kind that is named, or that of the last block.
    @Test func modulesHaveAKind() {
        var model = Model(
            family: .llama, layers: 4, hidden: 64, heads: 4, ffn: 128, vocab: 256, sequence: 64,
            moe: Model.Mixture(experts: 4, topK: 2, ffn: 32))
        var dense = model.block
        dense.moe = nil
        model.kinds = [BlockKind(name: "dense", shape: dense), BlockKind(name: "sparse", shape: model.block)]
        model.pattern = [0, 1, 1, 1]
        func block(_ kind: String?) -> Int {
            let main = model.parameters().total
            var with = model
            with.mtp = Model.MultiTokenPrediction(layers: 2, kind: kind)
            #expect(with.problems.isEmpty)
            return (with.parameters().total - main) / 2 - 2 * 64 * 64 - 5 * 64
        }
        #expect(block(nil) == 4 * 64 * 64 + 4 * 3 * 64 * 32 + 4 * 64)
        #expect(block("sparse") == block(nil))
        #expect(block("dense") == 4 * 64 * 64 + 3 * 64 * 128)
        model.mtp = Model.MultiTokenPrediction(layers: 1, kind: "other")
        #expect(
            model.problems.map(\.description) == [
                "mtp.kind: is not a kind of block that the pattern names (found 'other'); kinds: dense, sparse"
            ])
    }

    /// Modules look tokens up alone: no learned position and no norm is added to their embedding.
    @Test func endsThatModulesCannotHave() {
        var model = Model(family: .gpt, layers: 4, hidden: 64, heads: 4, vocab: 256, sequence: 64)
        model.mtp = Model.MultiTokenPrediction(layers: 1)
        #expect(model.problems.map(\.description).contains { $0.contains("needs positions that are not learned") })
        model.positionKind = .rotary
        #expect(model.problems.isEmpty)
        model.embeddingNorm = true
        model.embeddingSize = 32
        #expect(model.problems.count == 2)
    }
}

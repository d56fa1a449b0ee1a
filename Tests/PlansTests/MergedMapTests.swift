import Models
import Plans
import TestSupport
import Testing

/// Maps inside `model` state what differs from a named model or a configuration.
@Suite struct MergedMapTests {
    private func plan(_ model: String) throws -> Plan {
        try PlanText.read("model: \(model)\ncluster: h100-80g-sxm\ndevices: 64\nbatch: 64\nlayout: auto")
    }

    @Test func aNamedMixtureKeepsItsOtherKeys() throws {
        let base = try #require(try plan("mixtral-8x22b-v0.1").model.moe)
        let changed = try plan("{name: mixtral-8x22b-v0.1, moe: {capacityFactor: 1.25}}").model
        var expected = base
        expected.capacityFactor = 1.25
        #expect(changed.moe == expected)
        #expect(changed.name == nil)
        // A shared expert is as wide as a routed one, unless the model says otherwise.
        let narrow = try #require(try plan("{name: mixtral-8x22b-v0.1, moe: {ffn: 4096, shared: 1}}").model.moe)
        #expect((narrow.ffn, narrow.sharedFfn, narrow.experts) == (4096, 4096, base.experts))
        let both = try #require(try plan("{name: mixtral-8x22b-v0.1, moe: {ffn: 4096, sharedFfn: 16384}}").model.moe)
        #expect((both.ffn, both.sharedFfn) == (4096, 16384))
    }

    @Test func latentAttentionAndPredictionToo() throws {
        let base = try plan("deepseek-v3").model
        let latent = try plan("{name: deepseek-v3, mla: {queryRank: 768}, moe: {imbalance: 1.1}}").model
        #expect(latent.mla?.queryRank == 768 && latent.mla?.kvRank == base.mla?.kvRank)
        #expect(latent.moe?.imbalance == 1.1 && latent.moe?.firstDense == base.moe?.firstDense)
        #expect(try plan("{name: deepseek-v3, mtp: {layers: 1}}").model.mtp?.layers == 1)
        #expect(try plan("{name: deepseek-v3, moe: {nodeLimit: none}}").model.moe?.nodeLimit == nil)
    }

    /// Blocks of all kinds with experts take the change, and those without stay without.
    @Test func aConfigurationOfSeveralKindsToo() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            """
            {"model_type": "gpt_oss", "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2,
            "num_hidden_layers": 4, "intermediate_size": 512, "vocab_size": 1000, "num_local_experts": 8,
            "num_experts_per_tok": 2, "head_dim": 64, "sliding_window": 64}
            """, as: "config.json")
        let model = try plan("{hf: \(path), moe: {capacityFactor: 1.25}}").model
        #expect(!model.kinds.isEmpty)
        #expect(model.kinds.allSatisfy { $0.shape.moe?.capacityFactor == 1.25 && $0.shape.moe?.experts == 8 })
    }

    @Test func aModelWithoutTheMapStatesAllOfIt() {
        let lines = PlanText.problems(
            "model: {name: llama3-8b, moe: {capacityFactor: 1.25}}\ncluster: h100-80g-sxm\ndevices: 64\nbatch: 64")
        #expect(
            lines.contains {
                $0.contains("1:32: model.moe.experts: is missing") || $0.contains("model.moe.experts: is missing")
            })
        #expect(lines.contains { $0.contains("model.moe.topK: is missing") })
    }

    @Test(arguments: [
        "{name: mixtral-8x22b-v0.1, moe: {capacityFactor: 1.25}}", "{name: deepseek-v3, mla: {queryRank: 768}}",
        "{name: deepseek-v3, moe: {shared: 0}}", "{name: mixtral-8x22b-v0.1, moe: none}",
    ])
    func writtenPlansReadBackTheSame(_ model: String) throws {
        let plan = try plan(model)
        #expect(try PlanText.read(plan.yaml(library: Checkout.library)).model == plan.model)
    }
}

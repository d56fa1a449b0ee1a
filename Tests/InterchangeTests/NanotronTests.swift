import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Configurations of nanotron read as plans.
@Suite struct NanotronTests {
    /// The first stage of SmolLM3 (text/pretraining/smollm3/stage1_8T.yaml of huggingface/smollm).
    private static let smol = ForeignFile(
        format: .nanotron,
        text: """
            general: {project: smollm3, run: stage1}
            model:
              dtype: bfloat16
              init_method: {std: 0.02}
              model_config:
                _attn_implementation: flash_attention_2
                hidden_act: silu
                hidden_size: 2048
                intermediate_size: 11008
                is_qwen2_config: true
                moe_config: null
                no_rope_layer: 4
                num_attention_heads: 16
                num_hidden_layers: 36
                num_key_value_heads: 4
                sliding_window_size: null
                tie_word_embeddings: true
                vocab_size: 128256
            optimizer:
              accumulate_grad_in_fp32: true
              optimizer_factory: {name: adamW, adam_beta1: 0.9}
              zero_stage: 0
            parallelism:
              context_parallel_size: 1
              dp: 192
              expert_parallel_size: 1
              pp: 1
              pp_engine: 1f1b
              recompute_layer: false
              tp: 2
              tp_linear_async_communication: true
              tp_mode: REDUCE_SCATTER
            tokens:
              batch_accumulation_per_replica: 1
              micro_batch_size: 3
              sequence_length: 4096
              train_steps: 4720000
            """)

    /// The publication names 3.08 billion parameters, 384 H100, 2.36 million tokens a step and 11.2 trillion in all.
    @Test func smolLM3() throws {
        let imported = try Self.smol.read()
        let plan = imported.plan
        let layout = try #require(plan.layout)
        #expect(plan.model.parameters().total == 3_075_098_624)
        #expect(plan.devices == 384 && plan.batch == 576 && plan.model.sequence == 4096)
        #expect(plan.tokensPerStep == 2_359_296 && plan.tokens == 4_720_000 * 2_359_296)
        #expect(layout.tensor == 2 && layout.sequenceParallel && layout.overlap.tensor)
        #expect(layout.sharding == .none && layout.recompute == .none)
        #expect(plan.frameworks.named == "nanotron")
        #expect(imported.left.count == 1 && imported.left[0].contains("model.init_method.std"), "\(imported.left)")
    }

    @Test func expertsOfSomeBlocks() throws {
        let plan = try Self.smol.replacing(
            "moe_config: null",
            "moe_config: {num_experts: 8, top_k: 2, moe_intermediate_size: 1408, enable_shared_expert: true, "
                + "shared_expert_intermediate_size: 5632, layers: [1, 2, 3]}"
        ).replacing("num_hidden_layers: 36", "num_hidden_layers: 4").read().plan
        #expect((0..<4).map(plan.model.hasExperts) == [false, true, true, true])
        #expect(plan.model.moe?.sharedWidth == 5632 && plan.model.moe?.sharedGate == true)
    }

    @Test func sequencesAmongContextRanks() throws {
        let layout = try #require(
            Self.smol.replacing("context_parallel_size: 1", "context_parallel_size: 4").replacing(
                "flash_attention_2", "llama3_ring_attention"
            ).read().plan.layout)
        #expect(layout.context == 4 && layout.contextExchange == .gather && layout.data == 192)
    }

    /// Without the fp32 accumulator AdamW steps 16-bit weights.
    @Test func halfAccumulators() throws {
        let plan = try Self.smol.replacing("accumulate_grad_in_fp32: true", "accumulate_grad_in_fp32: false").read()
            .plan
        #expect(plan.layout?.gradients == .bf16 && plan.optimizer.master == .none)
        #expect(plan.optimizer.firstMoment == .bf16)
    }

    /// The file states all of its devices.
    @Test func otherDevices() throws {
        #expect(try Self.smol.read(devices: 384).plan.devices == 384)
        let said =
            "run.yaml:25:7: --devices 64: contradicts parallelism (dp 192 · tp 2 · pp 1 · context_parallel_size 1"
        let found = Self.smol.problems(devices: 64)
        #expect(found.count == 1 && found[0].contains(said) && found[0].contains("384 devices)"), "\(found)")
    }

    /// Starcoder 2 3B, 3,030,371,328 parameters.
    @Test func starcoder() throws {
        let plan = try ForeignFile(
            format: .nanotron,
            text: """
                model:
                  dtype: bfloat16
                  model_config:
                    is_starcoder2_config: true
                    activation_function: gelu_pytorch_tanh
                    hidden_size: 3072
                    intermediate_size: 12288
                    num_attention_heads: 24
                    num_hidden_layers: 30
                    grouped_query: true
                    num_kv_heads: 2
                    vocab_size: 49152
                optimizer: {zero_stage: 1, accumulate_grad_in_fp32: true}
                parallelism: {dp: 8, pp: 1, tp: 1}
                tokens: {batch_accumulation_per_replica: 2, micro_batch_size: 1, sequence_length: 4096, train_steps: 10}
                """
        ).read().plan
        #expect(plan.model.parameters().total == 3_030_371_328)
        #expect(plan.layout?.sharding == .optimizer && plan.batch == 16)
    }

    @Test(arguments: [
        ("zero_stage: 0", "zero_stage: 3", "run.yaml:22:15: optimizer.zero_stage: is not built in nanotron"),
        ("  dp: 192\n", "", "parallelism.dp: is missing"),
        ("pp_engine: 1f1b", "pp_engine: gpipe", "run.yaml:28:14: parallelism.pp_engine: must be 1f1b or afab"),
        (
            "train_steps: 4720000", "train_stps: 4720000",
            "tokens.train_stps: unknown setting (found '4720000'); did you mean 'train_steps'?"
        ),
        ("sliding_window_size: null", "sliding_window_size: 512", "mixes blocks with and without a window"),
        ("num_attention_heads: 16", "num_attention_heads: 17", "model.model_config.num_attention_heads (model.heads)"),
        ("tp: 2", "tp: 0", "run.yaml:30:7: parallelism.tp: must be a whole number from 1"),
    ]) func mistakes(_ old: String, _ new: String, _ message: String) {
        let found = Self.smol.replacing(old, new).problems()
        #expect(found.contains { $0.contains(message) }, "\(found)")
    }

    /// Ten lines of anchors stand for ten thousand million values.
    @Test func anchorsHaveABound() {
        var text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        for level in 1..<10 {
            let inner = [String](repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(inner)]\n"
        }
        let found = ForeignFile(format: .nanotron, text: text).problems()
        #expect(found.contains { $0.contains("values, those behind anchors counted each time") }, "\(found)")
    }
}

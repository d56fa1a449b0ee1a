import Interchange
import Plans
import Reading
import TestSupport
import Testing

/// Which tool a file belongs to, and what files of four tools say of a plan.
@Suite struct DetectionTests {
    @Test(arguments: [
        ("run.sh", "torchrun pretrain_gpt.py --num-layers 4", ImportFormat.megatronLM),
        ("run.args", "--num-layers 4", .megatronLM),
        ("run.yaml", "model: {_target_: megatron.bridge.models.gpt_provider.GPTModelProvider}", .megatronBridge),
        ("run.yaml", "model: {num_layers: 4}\ntrain: {train_iters: 1}", .megatronBridge),
        ("run.yaml", "_target_: nemo.collections.llm.api.pretrain\ntrainer: {devices: 8}", .nemo),
        ("run.yaml", "trainer: {devices: 8}\nmodel: {num_layers: 4}", .nemo),
        ("run.yaml", "modules: {pre_trainer: {framework: megatron}}", .primus),
        ("run.yaml", "parallelism: {dp: 1, tp: 1, pp: 1}", .nanotron),
        ("run.yml", "{\"pipe-parallel-size\": 1}", .gptNeoX),
        ("run.yml", "base_config: base.yml\nmodel_name: llama2-7b", .maxText),
        // A mistake of the syntax is told by the reader of the format that the file looks like.
        ("run.yaml", "parallelism:\n  pp_engine: afab\n  dp: 1\n  dp: 2\n", .nanotron),
    ]) func formats(_ name: String, _ text: String, _ format: ImportFormat) {
        #expect(ImportFormat.detect(text: text, name: name) == format)
    }

    @Test(arguments: ["a: b\n", "{}", "- 1\n", "a: [\n", "\u{0}: x"]) func others(_ text: String) {
        #expect(ImportFormat.detect(text: text, name: "run.yaml") == nil)
    }

    private func export(_ target: ExportTarget, _ added: String, model: String = "llama") throws -> Export {
        let plan = try Plan.read(
            text: """
                name: small
                model: {family: \(model), layers: 8, hidden: 512, heads: 8, ffn: 1408, vocab: 1000, sequence: 1024}
                cluster: h100-80g-sxm
                batch: 64
                tokens: 1G
                \(added)
                """, path: "plan.yaml", library: Checkout.library)
        return target.export(
            plan,
            context: ExportContext(
                source: "plan.yaml", version: "test", stepSeconds: 1.25, peakGiB: 40, capacityGiB: 80, steps: 15259,
                saveEvery: 77, days: 2, planText: ""))
    }

    private static let layout =
        "layout: {data: 4, tensor: 2, sequenceParallel: true, pipeline: 2, microbatch: 2, recompute: full, sharding: optimizer}"

    @Test(arguments: [
        (
            ExportTarget.nanotron,
            [
                "  pp_engine: '1f1b'", "  dp: 4", "  tp: 2", "  tp_mode: REDUCE_SCATTER", "  recompute_layer: true",
                "  zero_stage: 1", "  batch_accumulation_per_replica: 8", "  train_steps: 15259",
                "    is_llama_config: true",
                "    num_hidden_layers: 8",
            ]
        ),
        (
            .gptNeoX,
            [
                "pipe_parallel_size: 2", "model_parallel_size: 2", "sequence_parallel: true", "intermediate_size: 4224",
                "norm: rmsnorm", "pos_emb: rotary", "attention_config: [[[flash], 8]]",
                "gradient_accumulation_steps: 8",
                "train_iters: 15259", "checkpoint_activations: true", "  stage: 1", "  grad_accum_dtype: fp32",
            ]
        ),
        (
            .megatronBridge,
            [
                "  _target_: megatron.bridge.models.gpt_provider.GPTModelProvider", "  num_layers: 8",
                "  gated_linear_unit: true", "  activation_func: {_target_: torch.nn.functional.silu, _call_: false}",
                "  global_batch_size: 64", "  train_iters: 15259", "  use_distributed_optimizer: true",
                "  recompute_granularity: full", "  grad_reduce_in_fp32: true", "  vocab_size: 1000",
            ]
        ),
        (
            .nemo,
            [
                "  num_nodes: 2", "  devices: 8", "    tensor_model_parallel_size: 2", "    sequence_parallel: true",
                "    precision: bf16-mixed", "  max_steps: 15259", "  micro_batch_size: 2",
                "    share_embeddings_and_output_weights: false",
            ]
        ),
    ]) func fields(_ target: ExportTarget, _ lines: [String]) throws {
        let export = try export(target, Self.layout)
        #expect(export.gaps.isEmpty, "\(export.gaps)")
        let text = try #require(export.files.first?.text).split(separator: "\n").map(String.init)
        for line in lines { #expect(text.contains(line), "\(line)") }
        #expect(text.first?.contains("Plan small (plan.yaml), written by trainyard test for") == true)
    }

    @Test(arguments: [
        (ExportTarget.nanotron, "layout: {data: 8, sharding: parameters}", "layout.sharding", "optimizer"),
        (.nanotron, "layout: {data: 4, pipeline: 2, schedule: zb-h1}", "layout.schedule", "1f1b"),
        (.nanotron, "layout: {data: 8}\nprecision: fp16", "precision", "bf16"),
        (
            .nanotron, "layout: {data: 4, pipeline: 2, layersPerStage: [1, 7]}", "layout.layersPerStage",
            "as the software divides them"
        ),
        (.nanotron, "layout: {data: 8}\noptimizer: muon", "optimizer.name", "adamw"),
        (.gptNeoX, "layout: {data: 4, pipeline: 2, sharding: gradients}", "layout.sharding", "optimizer"),
        (.gptNeoX, "layout: {data: 8, context: 2}", "layout.context", "1, with data 16"),
        (.gptNeoX, "layout: {data: 8, recompute: selective}", "layout.recompute", "full"),
        (.megatronBridge, "layout: {data: 4, pipeline: 2, schedule: zb-h1}", "layout.schedule", "1f1b"),
        (.nemo, "layout: {data: 8}\nloss: chunked", "loss", "standard"),
    ]) func whatCannotBeSaid(_ target: ExportTarget, _ added: String, _ field: String, _ nearest: String) throws {
        let gap = try #require(try export(target, added).gaps.first { $0.field == field })
        #expect(gap.nearest == nearest && !gap.reason.contains("Megatron-LM"))
    }

    /// Stages that the plan leaves to the software are not refused where the target cannot name them.
    @Test(arguments: [ExportTarget.nanotron, .gptNeoX], [3, 4, 5])
    func stagesOfTheSoftware(_ target: ExportTarget, _ pipeline: Int) throws {
        let export = try export(target, "layout: {data: 4, pipeline: \(pipeline)}")
        #expect(!export.gaps.contains { $0.field == "layout.layersPerStage" }, "\(export.gaps)")
        #expect(!export.files.isEmpty)
    }

    /// Rates that follow the width are none of these tools' settings, and without them the rate means another.
    @Test(arguments: [
        ExportTarget.megatronLM, .megatronBridge, .nemo, .torchtitan, .deepspeed, .nanotron, .gptNeoX, .accelerate,
        .transformers,
    ]) func ratesByWidthAreRefused(_ target: ExportTarget) throws {
        let train = "layout: {data: 16}\ntrain: {data: a.txt, steps: 3, mup: {baseWidth: 64}}"
        let export = try export(target, train)
        #expect(export.files.isEmpty, "\(target)")
        #expect(export.gaps.contains { $0.field == "train.mup" && $0.nearest == nil }, "\(target): \(export.gaps)")
        let without = try self.export(target, train.replacing(", mup: {baseWidth: 64}", with: ""))
        #expect(!without.gaps.contains { $0.field == "train.mup" })
    }

    /// A key/value head on each tensor rank, and heads that are hidden / heads wide.
    @Test func shapesThatNanotronRefuses() throws {
        let export = try export(.nanotron, "layout: {data: 8}", model: "llama, headSize: 128")
        #expect(export.files.isEmpty && export.gaps.contains { $0.field == "model.headSize" })
        let shared = try self.export(.nanotron, "layout: {data: 4, tensor: 4}", model: "llama, kvHeads: 2")
        #expect(shared.files.isEmpty && shared.gaps.contains { $0.field == "layout.tensor" })
    }
}

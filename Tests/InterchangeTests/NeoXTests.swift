import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Configurations of GPT-NeoX read as plans.
@Suite struct NeoXTests {
    /// configs/pythia/6-9B.yml of EleutherAI/gpt-neox, the values that a plan holds; one key with hyphens.
    private static let pythia = ForeignFile(
        format: .gptNeoX,
        text: """
            {
               "pipe-parallel-size": 1,
               "model_parallel_size": 2,
               "num_layers": 32,
               "hidden_size": 4096,
               "num_attention_heads": 32,
               "seq_length": 2048,
               "max_position_embeddings": 2048,
               "norm": "layernorm",
               "pos_emb": "rotary",
               "rotary_pct": 0.25,
               "no_weight_tying": true,
               "gpt_j_residual": true,
               "attention_config": [[["flash"], 32]],
               "optimizer": {"type": "Adam", "params": {"lr": 0.00012, "betas": [0.9, 0.95]}},
               "zero_optimization": {"stage": 1, "overlap_comm": True, "cpu_offload": false},
               "train_micro_batch_size_per_gpu": 8,
               "gradient_accumulation_steps": 2,
               "checkpoint_activations": true,
               "checkpoint_num_layers": 1,
               "partition_activations": true,
               "fp16": {"fp16": true, "enabled": true, "loss_scale": 0},
               "train_iters": 143000,
               "tokenizer_type": "HFTokenizer",
            }
            """)

    /// 6,857,302,016 published parameters: 50,432 rows of both tables, of which 50,277 are tokens; 128 devices, 2,097,152
    /// tokens a step, 299,892,736,000 in all.
    @Test func pythia() throws {
        let imported = try Self.pythia.read(devices: 128)
        let plan = imported.plan
        let layout = try #require(plan.layout)
        let padding = (50_432 - 50_277) * 4096 * 2
        #expect(plan.model.parameters().total + padding == 6_857_302_016)
        #expect(plan.batch == 1024 && plan.tokensPerStep == 2_097_152 && plan.tokens == 299_892_736_000)
        #expect(layout.data == 64 && layout.tensor == 2 && !layout.sequenceParallel && layout.microbatch == 8)
        #expect(plan.model.block.parallel == .twoNorms && plan.model.conventions.positions == .rotary)
        #expect(layout.sharding == .optimizer && layout.recompute == .full && layout.flashAttention)
        #expect(plan.precision == .fp16)
        #expect(imported.left.contains { $0.contains("partition_activations") })
        #expect(imported.left.joined().contains("rotary_pct"), "\(imported.left)")
    }

    /// GPT-NeoX-20B: 20,554,567,680 parameters with 50,432 rows.
    @Test func neoX20B() throws {
        let plan = try Self.pythia.replacing("\"num_layers\": 32", "\"num_layers\": 44").replacing(
            "\"hidden_size\": 4096", "\"hidden_size\": 6144"
        ).replacing("\"num_attention_heads\": 32", "\"num_attention_heads\": 64").replacing(
            "\"attention_config\": [[[\"flash\"], 32]],", ""
        ).replacing("\"pipe-parallel-size\": 1", "\"pipe-parallel-size\": 4").read(devices: 96).plan
        #expect(plan.model.parameters().total + (50_432 - 50_277) * 6144 * 2 == 20_554_567_680)
        // The default attention keeps the scores.
        #expect(plan.layout?.flashAttention == false && plan.layout?.data == 12 && plan.layout?.pipeline == 4)
    }

    /// Llama 2 7B: 32,768 of `intermediate_size` make three matrices of 11,008.
    @Test func gatedWidths() throws {
        let imported = try ForeignFile(
            format: .gptNeoX,
            text: """
                pipe_parallel_size: 1
                model_parallel_size: 1
                num_layers: 32
                hidden_size: 4096
                intermediate_size: 32768
                mlp_multiple_of: 256
                num_attention_heads: 32
                seq_length: 4096
                pos_emb: rotary
                no_weight_tying: true
                norm: rmsnorm
                activation: swiglu
                use_bias_in_mlp: False
                use_bias_in_attn_linear: false
                attention_config: [[["flash"], "all"]]
                train_batch_size: 64
                train_micro_batch_size_per_gpu: 4
                precision: bfloat16
                data_types: {grad_accum_dtype: fp32}
                """
        ).read(devices: 8, vocab: 32000)
        #expect(imported.plan.model.parameters().total == 6_738_415_616)
        #expect(imported.plan.layout?.gradients ?? .fp32 == .fp32 && imported.plan.precision == .bf16)
        #expect(imported.plan.batch == 64 && imported.plan.layout?.microbatch == 4)
    }

    @Test(arguments: [
        ("\"num_layers\": 32,", "", "num_layers: is missing"),
        (
            "[[[\"flash\"], 32]]", "[[[\"mamba\"], 32]]",
            "run.yaml:14:26: attention_config.0.0: has blocks of the kind 'mamba'"
        ),
        ("\"pos_emb\": \"rotary\"", "\"pos_emb\": \"rpe\"", "run.yaml:10:15: pos_emb: must be learned, rotary"),
        ("\"type\": \"Adam\"", "\"type\": \"sm3\"", "is no optimizer that a plan can say"),
        ("\"model_parallel_size\": 2", "\"model_parallel_size\": 3", "do not divide 128 devices"),
        ("\"stage\": 1", "\"stage\": 4", "zero_optimization.stage: must be a whole number from 0 to 3"),
        (
            "\"gradient_accumulation_steps\": 2", "\"gradient_accumulation_steps\": 2, \"train_batch_size\": 100",
            "train_batch_size: is not train_micro_batch_size_per_gpu · gradient_accumulation_steps · 64"
        ),
        ("\"train_iters\"", "\"train_iter\"", "unknown setting (found '143000'); did you mean 'train_iters'?"),
        ("\"tokenizer_type\": \"HFTokenizer\"", "\"tokenizer_type\": \"SPMTokenizer\"", "with --vocab"),
    ]) func mistakes(_ old: String, _ new: String, _ message: String) {
        let found = Self.pythia.replacing(old, new).problems(devices: 128)
        #expect(found.contains { $0.contains(message) }, "\(found)")
    }
}

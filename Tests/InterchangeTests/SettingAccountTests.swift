import Foundation
import Interchange
import Plans
import Reading
import TestSupport
import Testing

/// Every setting of a file is in the plan, in a remark, among what is ignored, or an error: none is nowhere.
@Suite struct SettingAccountTests {
    /// Names that neither the plan nor a remark on it has.
    private static func lost(_ names: [String], _ imported: ImportedPlan) -> [String] {
        let all = ([imported.text] + imported.inferred + imported.left + imported.ignored).joined(separator: "\n")
        return names.filter { !all.contains($0) }
    }

    private static let base = [
        "--num-layers 8", "--hidden-size 1024", "--num-attention-heads 16", "--seq-length 2048", "--vocab-size 50304",
        "--micro-batch-size 1", "--global-batch-size 64", "--bf16",
    ]

    /// What a list with these flags comes to: the flags that are nowhere; nil: it is an error.
    private static func lost(of flags: [(name: String, line: String)]) -> [String]? {
        let named = Set(flags.map(\.name))
        let own = base.filter { !named.contains(String($0.prefix { $0 != " " })) }
        let text = (own + flags.map(\.line)).joined(separator: "\n") + "\n"
        guard let imported = try? Imported.plan(text, .megatronLM, devices: 8) else { return nil }
        return lost(flags.map(\.name), imported)
    }

    @Test func everyArgumentOfMegatronLM() throws {
        let table = try MegatronTable.read(Checkout.library)
        let flags = table.arguments.sorted { $0.key < $1.key }.map { flag, argument in
            (name: flag, line: argument.arity == .none ? flag : "\(flag) 1")
        }
        #expect(flags.count > 700)
        var (accounted, refused, nowhere) = (0, 0, [String]())
        for start in stride(from: 0, to: flags.count, by: 12) {
            let group = Array(flags[start..<min(start + 12, flags.count)])
            if let lost = Self.lost(of: group) {
                nowhere += lost
                accounted += group.count
                continue
            }
            for flag in group {
                if let lost = Self.lost(of: [flag]) {
                    nowhere += lost
                    accounted += 1
                } else {
                    refused += 1
                }
            }
        }
        #expect(nowhere.isEmpty, "\(nowhere)")
        #expect(accounted > 600 && accounted + refused == flags.count, "\(accounted), \(refused)")
    }

    private static let trees: [(format: ImportFormat, name: String, text: String)] = [
        (
            .torchtitan, "run.toml",
            """
            [job]
            dump_folder = "out"
            description = "a run"
            [profiling]
            enable_profiling = true
            [metrics]
            log_freq = 10
            [model]
            name = "llama3"
            flavor = "8B"
            converters = ["float8"]
            [optimizer]
            name = "AdamW"
            lr = 3e-4
            eps = 1e-8
            implementation = "fused"
            [lr_scheduler]
            warmup_steps = 200
            decay_type = "cosine"
            decay_ratio = 0.8
            min_lr_factor = 0.1
            [training]
            local_batch_size = 1
            seq_len = 8192
            max_norm = 1.0
            steps = 1000
            dataset = "c4"
            seed = 3
            [parallelism]
            data_parallel_shard_degree = -1
            tensor_parallel_degree = 2
            [checkpoint]
            enable_checkpoint = true
            interval = 500
            [float8]
            enable_fsdp_float8_all_gather = true
            """
        ),
        (
            .deepspeed, "ds.json",
            """
            {"train_batch_size": 64, "train_micro_batch_size_per_gpu": 2, "gradient_clipping": 0.5, "steps_per_print": 10,
             "optimizer": {"type": "AdamW", "params": {"lr": 1e-4, "betas": [0.8, 0.99], "eps": 1e-7, "weight_decay": 0.2}},
             "scheduler": {"type": "WarmupLR", "params": {"warmup_min_lr": 0, "warmup_max_lr": 1e-4, "warmup_num_steps": 50}},
             "bf16": {"enabled": true}, "fp16": {"enabled": false, "loss_scale": 0},
             "zero_optimization": {"stage": 2, "reduce_bucket_size": 1000000, "contiguous_gradients": true},
             "flops_profiler": {"enabled": true}, "wall_clock_breakdown": true, "elasticity": {"enabled": false}}
            """
        ),
        (
            .nanotron, "run.yaml",
            """
            general: {project: p, run: r, seed: 42, step: null}
            checkpoints: {checkpoint_interval: 10, checkpoints_path: here}
            data_stages: [{name: all, start_training_step: 1, data: {dataset: null, seed: 42}}]
            tokenizer: {tokenizer_name_or_path: gpt2}
            model:
              dtype: bfloat16
              init_method: {std: 0.02}
              model_config: {hidden_size: 1024, intermediate_size: 2816, is_llama_config: true, num_attention_heads: 16,
                num_hidden_layers: 8, num_key_value_heads: 16, vocab_size: 32000, rope_theta: 500000, rms_norm_eps: 1e-5}
            optimizer:
              accumulate_grad_in_fp32: true
              clip_grad: 0.7
              weight_decay: 0.05
              zero_stage: 0
              learning_rate_scheduler: {learning_rate: 3e-4, lr_warmup_steps: 100, lr_decay_style: cosine, min_decay_lr: 1e-5}
              optimizer_factory: {name: adamW, adam_beta1: 0.9, adam_beta2: 0.97, adam_eps: 1e-8, torch_adam_is_fused: true}
            parallelism: {dp: 4, tp: 2, pp: 1, pp_engine: 1f1b, tp_mode: REDUCE_SCATTER}
            tokens: {batch_accumulation_per_replica: 2, micro_batch_size: 1, sequence_length: 2048, train_steps: 1000,
              val_check_interval: 10}
            """
        ),
        (
            .gptNeoX, "run.yml",
            """
            pipe_parallel_size: 1
            model_parallel_size: 2
            num_layers: 8
            hidden_size: 1024
            num_attention_heads: 16
            seq_length: 2048
            pos_emb: rotary
            rotary_pct: 0.25
            rotary_emb_base: 50000
            no_weight_tying: true
            optimizer: {type: Adam, params: {lr: 0.0003, betas: [0.9, 0.95], eps: 1.0e-8}}
            zero_optimization: {stage: 1, reduce_bucket_size: 500000000, overlap_comm: true}
            train_micro_batch_size_per_gpu: 4
            train_iters: 1000
            lr_decay_iters: 1000
            lr_decay_style: cosine
            warmup: 0.01
            min_lr: 0.00003
            weight_decay: 0.1
            gradient_clipping: 1.0
            hidden_dropout: 0.1
            init_method: small_init
            data_path: data/enwik8
            vocab_file: vocab.json
            log_interval: 10
            fp16: {enabled: true, loss_scale: 0}
            seed: 7
            """
        ),
        (
            .maxText, "run.yml",
            """
            model_name: llama2-7b
            per_device_batch_size: 2
            steps: 100
            max_target_length: 4096
            learning_rate: 3.e-5
            warmup_steps_fraction: 0.1
            adam_b1: 0.9
            adam_b2: 0.95
            gradient_clipping_threshold: 1.0
            rope_max_timescale: 10000
            dataset_type: synthetic
            base_output_directory: gs://here
            dropout_rate: 0.1
            logits_dot_in_fp32: true
            """
        ),
        (
            .accelerate, "acc.yaml",
            """
            compute_environment: LOCAL_MACHINE
            distributed_type: DEEPSPEED
            deepspeed_config: {zero_stage: 2, gradient_accumulation_steps: 4, gradient_clipping: 0.5, zero3_init_flag: true}
            main_training_function: main
            mixed_precision: bf16
            num_machines: 1
            num_processes: 8
            same_network: true
            """
        ),
        (
            .nemo, "run.yaml",
            """
            trainer: {devices: 8, num_nodes: 2, precision: bf16, max_steps: 1000, gradient_clip_val: 0.5, log_every_n_steps: 10}
            exp_manager: {name: mine, create_wandb_logger: true}
            model:
              micro_batch_size: 1
              global_batch_size: 64
              tensor_model_parallel_size: 2
              encoder_seq_length: 2048
              num_layers: 8
              hidden_size: 1024
              num_attention_heads: 16
              rotary_base: 50000
              position_embedding_type: rope
              hidden_dropout: 0.1
              layernorm_epsilon: 1e-5
              tokenizer: {library: megatron, type: GPT2BPETokenizer}
              data: {data_prefix: [1.0, mine], splits_string: '900,50,50'}
              optim: {name: fused_adam, lr: 1e-4, weight_decay: 0.1, betas: [0.9, 0.95],
                sched: {name: CosineAnnealing, warmup_steps: 115, min_lr: 1e-5, constant_steps: 12500}}
            """
        ),
        (
            .megatronBridge, "run_config.yaml",
            """
            _target_: megatron.bridge.training.config.ConfigContainer
            model: {_target_: megatron.bridge.models.gpt_provider.GPTModelProvider, num_layers: 8, hidden_size: 1024,
              num_attention_heads: 16, seq_length: 2048, vocab_size: 50304, rotary_base: 50000, position_embedding_type: rope,
              layernorm_epsilon: 1.0e-5, hidden_dropout: 0.1}
            train: {micro_batch_size: 1, global_batch_size: 64, train_iters: 100, eval_iters: 5}
            optimizer: {optimizer: adam, lr: 0.0003, min_lr: 3.0e-5, adam_beta2: 0.95, weight_decay: 0.1, clip_grad: 1.0}
            scheduler: {lr_decay_style: cosine, lr_warmup_iters: 10, lr_decay_iters: 100}
            dataset: {seq_length: 2048, num_workers: 2, blend: [[mine], null]}
            tokenizer: {tokenizer_type: NullTokenizer, vocab_size: 50304}
            ddp: {overlap_grad_reduce: true}
            checkpoint: {save: here, save_interval: 50}
            rng: {seed: 1234}
            mixed_precision: bf16_mixed
            """
        ),
        (
            .primus, "exp.yaml",
            """
            work_group: amd
            user_name: me
            exp_name: mine
            workspace: ./output
            modules:
              pre_trainer:
                framework: megatron
                config: pre_trainer.yaml
                model: llama3.1_8B.yaml
                overrides: {train_iters: 50, micro_batch_size: 2, global_batch_size: 128, seq_length: 8192, lr: 1.0e-5,
                  lr_warmup_iters: 2, weight_decay: 0.1, adam_beta2: 0.95, init_method_std: 0.008, mock_data: true,
                  norm_epsilon: 1.0e-6, disable_wandb: true}
            """
        ),
    ]

    @Test(arguments: trees.map(\.format)) func everySetting(of format: ImportFormat) throws {
        let tree = try #require(Self.trees.first { $0.format == format })
        let names = try TreeSettings.read(text: tree.text, name: tree.name).map(\.name).filter {
            !$0.hasSuffix("_target_")
        }
        #expect(ImportFormat.detect(text: tree.text, name: tree.name) == format)
        let model = [.deepspeed, .accelerate].contains(format) ? "llama3-8b" : nil
        let devices = [.nanotron, .nemo, .accelerate].contains(format) ? nil : 8
        let imported = try Imported.plan(tree.text, format, devices: devices, model: model, path: tree.name)
        let lost = Self.lost(names, imported)
        #expect(names.count > 7 && lost.isEmpty, "\(lost)")
        // What changes a run is never called ignored.
        for name in imported.ignored {
            for part in ["dropout", "rotary", "rope_", "init_method", "epsilon", "weight_decay", "lr"] {
                #expect(!name.contains(part), "\(imported.ignored)")
            }
        }
    }

    /// Where a run logs and saves is ignored; what it trains with is not.
    @Test func whatIsIgnored() throws {
        let list =
            Self.base.joined(separator: "\n")
            + "\n--save here --log-interval 10 --eval-iters 5 --data-path mine --tokenizer-model mine --init-method-std 0.1\n"
        let imported = try Imported.plan(list, .megatronLM, devices: 8)
        #expect(imported.ignored == ["--save", "--log-interval", "--eval-iters"], "\(imported.ignored)")
        let left = imported.left.joined()
        #expect(
            left.contains("--data-path") && left.contains("--tokenizer-model") && left.contains("--init-method-std"))
    }
}

import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Files of DeepSpeed, accelerate and transformers as plans.
@Suite struct OwnerFilesTests {
    /// After the examples of DeepSpeed's documentation of its configuration.
    static let zero = """
        {
          "train_batch_size": 256,
          "gradient_accumulation_steps": 4,
          "bf16": {"enabled": true},
          "data_types": {"grad_accum_dtype": "fp32"},
          "zero_optimization": {
            "stage": 3,
            "overlap_comm": true,
            "offload_optimizer": {"device": "cpu", "pin_memory": true},
            "offload_param": {"device": "cpu"}
          },
          "optimizer": {"type": "Adam", "params": {"lr": 0.0003}},
          "gradient_clipping": 1.0
        }
        """

    @Test func zeroThree() throws {
        let imported = try Imported.plan(Self.zero, .deepspeed, devices: 32, model: "llama3-8b")
        let layout = try #require(imported.plan.layout)
        #expect(layout.sharding == .parameters && layout.data == 32 && imported.plan.batch == 256)
        // 256 over 4 steps of 32 ranks.
        #expect(layout.microbatch == 2)
        #expect(layout.offload == Layout.Offload(optimizer: 1, gradients: true, parameters: true))
        #expect(imported.plan.precision == .bf16 && imported.plan.optimizer.name == .adamw)
    }

    @Test func gradientsFollowTheModel() throws {
        let text =
            "{\"train_micro_batch_size_per_gpu\": 1, \"bf16\": {\"enabled\": true}, \"zero_optimization\": {\"stage\": 1}}"
        let imported = try Imported.plan(text, .deepspeed, devices: 8, model: "llama3-8b")
        #expect(imported.plan.layout?.gradients == .bf16 && imported.plan.batch == 8)
        // Only ZeRO-3 hides the exchange of gradients by itself.
        #expect(imported.plan.layout?.overlap.data == false)
        #expect(imported.inferred.contains { $0.contains("layout.gradients") })
    }

    @Test func pipelinesAndHeads() throws {
        let text = """
            {"train_batch_size": 64, "train_micro_batch_size_per_gpu": 1, "fp16": {"enabled": true},
             "tensor_parallel": {"autotp_size": 2}, "sequence_parallel_size": 2,
             "pipeline": {"stages": 4, "activation_checkpoint_interval": 2}}
            """
        let plan = try Imported.plan(text, .deepspeed, devices: 64, model: "llama3-8b").plan
        let layout = try #require(plan.layout)
        #expect(layout.data == 4 && layout.tensor == 2 && layout.pipeline == 4 && layout.context == 2)
        #expect(layout.contextExchange == .heads && layout.recomputed == .runs(2) && plan.precision == .fp16)
    }

    @Test(arguments: [
        ("\"stage\": 3", "\"stage\": 4", "zero_optimization.stage: must be a whole number from 0 to 3"),
        ("256", "250", "run.conf:2:23: train_batch_size: is no multiple of accumulation 4"),
        ("\"bf16\"", "\"fp16\": {\"enabled\": true}, \"bf16\"", "contradicts bf16.enabled"),
        ("\"Adam\"", "\"LAMB\"", "optimizer.type: must be"),
        ("\"cpu\", \"pin", "\"disk\", \"pin", "zero_optimization.offload_optimizer.device: must be none"),
        ("overlap_comm", "overlap_com", "did you mean 'overlap_comm'?"),
        ("\"stage\": 3", "\"stage\": 3,,", "run.conf:"),
        (
            "\"gradient_accumulation_steps\": 4",
            "\"gradient_accumulation_steps\": 4, \"train_micro_batch_size_per_gpu\": 3",
            "is not micro-batch 3"
        ),
    ])
    func mistakesOfDeepspeed(replace: String, with: String, said: String) {
        let text = Self.zero.replacing(replace, with: with)
        #expect(text != Self.zero)
        let problems = Imported.problems(text, .deepspeed, devices: 32, model: "llama3-8b")
        #expect(problems.contains { $0.contains(said) }, "\(problems)")
    }

    @Test(arguments: [ImportFormat.deepspeed, .accelerate])
    func theModelIsNeeded(format: ImportFormat) {
        let text = format == .deepspeed ? Self.zero : Self.fsdp
        let devices = format == .deepspeed ? 32 : 16
        let problems = Imported.problems(text, format, devices: devices)
        #expect(problems.contains { $0.contains("model: is missing") && $0.contains("--model") })
        let unknown = Imported.problems(text, format, devices: devices, model: "llama3-9b")
        #expect(unknown.contains { $0.contains("llama3-9b") })
    }

    /// After accelerate's own templates for FSDP.
    static let fsdp = """
        compute_environment: LOCAL_MACHINE
        distributed_type: FSDP
        fsdp_config:
          fsdp_version: 2
          fsdp_reshard_after_forward: false
          fsdp_offload_params: false
          fsdp_activation_checkpointing: true
          fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
        mixed_precision: bf16
        num_machines: 2
        num_processes: 16
        """

    @Test func shardedByAccelerate() throws {
        let imported = try Imported.plan(Self.fsdp, .accelerate, model: "llama3-8b")
        let layout = try #require(imported.plan.layout)
        #expect(imported.plan.devices == 16 && layout.sharding == .gradients && layout.recompute == .full)
        let old = Self.fsdp.replacing("fsdp_version: 2", with: "fsdp_version: 1").replacing(
            "fsdp_reshard_after_forward: false", with: "fsdp_sharding_strategy: HYBRID_SHARD")
        let hybrid = try #require(try Imported.plan(old, .accelerate, model: "llama3-8b").plan.layout)
        #expect(hybrid.sharding == .parameters && hybrid.shardGroup == 8)
    }

    @Test func theMeshOfAccelerate() throws {
        let text =
            Self.fsdp + """

                parallelism_config:
                  parallelism_config_dp_replicate_size: 2
                  parallelism_config_dp_shard_size: 2
                  parallelism_config_tp_size: 2
                  parallelism_config_cp_size: 2
                  parallelism_config_cp_comm_strategy: alltoall
                """
        let layout = try #require(try Imported.plan(text, .accelerate, model: "llama3-8b").plan.layout)
        #expect(layout.data == 4 && layout.tensor == 2 && layout.context == 2 && layout.shardGroup == 4)
        #expect(layout.contextExchange == .ring)
    }

    @Test(arguments: [
        ("distributed_type: FSDP", "distributed_type: FDSP", "run.conf:2:19: distributed_type: must be FSDP"),
        ("num_processes: 16", "num_processes: many", "run.conf:11:16: num_processes: must be a whole number"),
        ("mixed_precision: bf16", "mixed_precision: bf8", "run.conf:9:18: mixed_precision: must be no"),
        ("num_processes: 16", "num_proceses: 16", "did you mean 'num_processes'?"),
        ("fsdp_reshard_after_forward: false", "fsdp_reshard_after_forward: maybe", "must be true or false"),
    ])
    func mistakesOfAccelerate(replace: String, with: String, said: String) {
        let text = Self.fsdp.replacing(replace, with: with)
        let problems = Imported.problems(text, .accelerate, model: "llama3-8b")
        #expect(problems.contains { $0.contains(said) }, "\(problems)")
    }

    @Test func argumentsOfTheTrainer() throws {
        let text = """
            output_dir: out
            per_device_train_batch_size: 2
            gradient_accumulation_steps: 8
            max_steps: 100
            bf16: true
            optim: adamw_bnb_8bit
            fsdp: "full_shard auto_wrap"
            fsdp_config:
              reshard_after_forward: true
              activation_checkpointing: true
            use_liger_kernel: true
            """
        let plan = try Imported.plan(text, .transformers, devices: 8, model: "llama3-8b").plan
        let layout = try #require(plan.layout)
        #expect(plan.batch == 128 && layout.microbatch == 2 && layout.sharding == .parameters)
        #expect(layout.recompute == .full && plan.loss.kind == .chunked)
        #expect(plan.optimizer.firstMoment == .eightBit && plan.optimizer.secondMoment == .eightBit)
        #expect(plan.tokens == Double(100 * 128 * plan.model.sequence))
    }

    @Test func argumentsWithDeepspeedBesideThem() throws {
        let folder = try TemporaryFolder()
        try folder.write("{\"zero_optimization\": {\"stage\": 2}, \"bf16\": {\"enabled\": true}}", as: "ds.json")
        let text = "per_device_train_batch_size: 1\nbf16: true\ndeepspeed: \(folder["ds.json"])\n"
        let layout = try #require(
            try Imported.plan(text, .transformers, devices: 4, model: "llama3-8b").plan.layout)
        #expect(layout.sharding == .gradients && layout.data == 4)
        let missing = Imported.problems(
            "per_device_train_batch_size: 1\ndeepspeed: none.json", .transformers, devices: 4, model: "llama3-8b")
        #expect(missing.contains { $0.contains("run.conf:2:12: deepspeed: no such file") }, "\(missing)")
    }

    @Test(arguments: [
        ("bf16: true\nfp16: true", "fp16: contradicts bf16"),
        ("optim: rmsprop", "optim: is no optimizer that a plan has"),
        ("fsdp: full_shart", "did you mean 'full_shard'?"),
        ("gradient_acumulation_steps: 2", "did you mean 'gradient_accumulation_steps'?"),
    ])
    func mistakesOfArguments(line: String, said: String) {
        let text = "per_device_train_batch_size: 1\n\(line)\n"
        let problems = Imported.problems(text, .transformers, devices: 4, model: "llama3-8b")
        #expect(problems.contains { $0.contains(said) && $0.contains("run.conf:") }, "\(problems)")
    }

    @Test func aConfigurationIsSearchedFor() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            """
            {"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
             "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256, "tie_word_embeddings": true,
             "head_dim": 64, "max_position_embeddings": 131072}
            """, as: "config.json")
        let text = try folder.read("config.json")
        let plan = try Imported.plan(text, .transformers, devices: 8, path: path).plan
        // Meta's count of Llama 3.2 1B.
        #expect(plan.layout == nil && plan.model.parameters().total == 1_235_814_400)
        #expect(throws: PlanProblems.self) { try Imported.plan(text, .transformers, path: path) }
    }
}

import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Configurations of Megatron-Bridge read as plans.
@Suite struct BridgeTests {
    /// The output of a run of Llama 3.2 1B (Megatron-Bridge 0.1.0rc3 in nemo:25.09): the values that a plan holds.
    private static let llama = ForeignFile(
        format: .megatronBridge,
        text: """
            _target_: megatron.bridge.training.config.ConfigContainer
            comm_overlap: null
            dataset:
              _target_: megatron.bridge.training.config.GPTDatasetConfig
              mock: true
              sequence_length: 1024
            ddp:
              _target_: megatron.bridge.training.config.DistributedDataParallelConfig
              data_parallel_sharding_strategy: no_shard
              grad_reduce_in_fp32: true
              num_distributed_optimizer_instances: 1
              overlap_grad_reduce: true
              overlap_param_gather: true
              use_distributed_optimizer: true
              use_megatron_fsdp: false
            mixed_precision:
              _target_: megatron.bridge.training.mixed_precision.MixedPrecisionConfig
              bf16: true
              fp16: false
              fp8: null
              fp8_recipe: tensorwise
              grad_reduce_in_fp32: true
              params_dtype:
                _call_: false
                _target_: torch.bfloat16
            model:
              _target_: megatron.bridge.models.llama.llama_provider.Llama31ModelProvider
              activation_func:
                _call_: false
                _target_: torch.nn.functional.silu
              add_bias_linear: false
              attention_backend:
                _args_:
                - 5
                _call_: true
                _target_: megatron.core.transformer.enums.AttnBackend
              context_parallel_size: 1
              cp_comm_type: null
              expert_tensor_parallel_size: 1
              ffn_hidden_size: 8192
              gated_linear_unit: true
              hidden_size: 2048
              kv_channels: 64
              moe_layer_freq: 1
              moe_router_topk: 2
              normalization: RMSNorm
              num_attention_heads: 32
              num_layers: 16
              num_moe_experts: null
              num_query_groups: 8
              overlap_p2p_comm: false
              pipeline_model_parallel_size: 1
              position_embedding_type: rope
              recompute_granularity: null
              recompute_modules:
              - core_attn
              rotary_base: 500000.0
              seq_length: 131072
              share_embeddings_and_output_weights: true
              tensor_model_parallel_size: 1
              virtual_pipeline_model_parallel_size: null
              vocab_size: 128256
            optimizer:
              _target_: megatron.bridge.training.config.OptimizerConfig
              exp_avg_dtype:
                _call_: false
                _target_: torch.float32
              overlap_param_gather: false
              use_distributed_optimizer: true
            train:
              _target_: megatron.bridge.training.config.TrainingConfig
              global_batch_size: 512
              micro_batch_size: 1
              train_iters: 10
            """)

    /// Meta's count of the model is 1,235,814,400.
    @Test func printedConfiguration() throws {
        let imported = try Self.llama.read(devices: 8)
        let plan = imported.plan
        let layout = try #require(plan.layout)
        #expect(plan.model.parameters().total == 1_235_814_400)
        // Samples are as long as the data say, whatever the model could take.
        #expect(plan.model.sequence == 1024 && plan.tokens == 5_242_880)
        #expect(plan.batch == 512 && layout.data == 8 && layout.microbatch == 1)
        #expect(layout.sharding == .optimizer && layout.overlap.data && layout.flashAttention)
        #expect(plan.precision == .bf16 && layout.gradients ?? .fp32 == .fp32)
        #expect(plan.hyperparameters?.rotaryBase == 500_000, "\(imported.text)")
    }

    /// The recipe of DeepSeek-V3 on 1,024 H100: stages as a text, modules that are computed again.
    @Test func deepSeekV3() throws {
        let plan = try ForeignFile(
            format: .megatronBridge,
            text: """
                model:
                  _target_: megatron.bridge.models.mla_provider.MLAModelProvider
                  num_layers: 61
                  hidden_size: 7168
                  ffn_hidden_size: 18432
                  num_attention_heads: 128
                  activation_func: {_target_: torch.nn.functional.silu, _call_: false}
                  gated_linear_unit: true
                  add_bias_linear: false
                  normalization: RMSNorm
                  position_embedding_type: rope
                  share_embeddings_and_output_weights: false
                  qk_layernorm: true
                  multi_latent_attention: true
                  q_lora_rank: 1536
                  kv_lora_rank: 512
                  vocab_size: 129280
                  seq_length: 4096
                  mtp_num_layers: 1
                  num_moe_experts: 256
                  moe_router_topk: 8
                  moe_ffn_hidden_size: 2048
                  moe_shared_expert_intermediate_size: 2048
                  moe_layer_freq: [\(([Int](repeating: 0, count: 3) + [Int](repeating: 1, count: 58)).map(String.init).joined(separator: ", "))]
                  moe_token_dispatcher_type: flex
                  moe_flex_dispatcher_backend: hybridep
                  tensor_model_parallel_size: 2
                  pipeline_model_parallel_size: 8
                  virtual_pipeline_model_parallel_size: 4
                  pipeline_model_parallel_layout: Et|(tt|)*30mL
                  expert_model_parallel_size: 64
                  expert_tensor_parallel_size: 1
                  sequence_parallel: true
                  recompute_granularity: selective
                  recompute_modules: [mla_up_proj, mlp]
                train: {global_batch_size: 16384, micro_batch_size: 1, train_iters: 100}
                ddp: {use_distributed_optimizer: true, overlap_grad_reduce: false}
                mixed_precision: bf16_with_fp8_subchannel_scaling_mixed
                """
        ).read(devices: 1024).plan
        let layout = try #require(plan.layout)
        // 671,026,419,200 as the published configuration counts, with a module that predicts a second token.
        #expect(plan.model.parameters().total > 671_026_419_200 && plan.model.predictors == 1)
        #expect((layout.tensor, layout.pipeline, layout.virtualStages, layout.expert) == (2, 8, 4, 64))
        #expect(layout.layersPerStage?.first == 1 && layout.layersPerStage?.count == 32)
        #expect(layout.recomputeModules.has(.latentProjections) && layout.dispatcher == .hybridep)
        #expect(layout.data == 64 && !layout.overlap.data)
        #expect(plan.recipe == Recipe(.blockwise))
    }

    /// Precisions by the names that Megatron-Bridge gives them.
    @Test func namedPrecisions() throws {
        let start = try #require(Self.llama.text.firstRange(of: "mixed_precision:"))
        let end = try #require(Self.llama.text.firstRange(of: "model:\n"))
        func plan(_ name: String) throws -> Plan {
            let text =
                Self.llama.text[..<start.lowerBound] + "mixed_precision: \(name)\n" + Self.llama.text[end.lowerBound...]
            return try ForeignFile(format: .megatronBridge, text: String(text)).read(devices: 8, cluster: "b200-sxm")
                .plan
        }
        var current = Recipe(.tensorwise)
        (current.parameterGather, current.bf16LayersAtStart, current.bf16LayersAtEnd) = (true, 1, 1)
        #expect(try plan("bf16_with_fp8_current_scaling_mixed").recipe == current)
        var small = Recipe(.mxfp8)
        small.parameterGather = true
        #expect(try plan("bf16-with-mxfp8-mixed").recipe == small)
        #expect(try plan("bf16_with_nvfp4_mixed").recipe?.scaling == .nvfp4)
        #expect(try plan("fp16_mixed").precision == .fp16)
        #expect(throws: PlanProblems.self) { try plan("bf17_mixed") }
    }

    /// A file that only changes a recipe does not say what the recipe has.
    @Test func overridesAreRefused() {
        let file = ForeignFile(
            format: .megatronBridge, text: "train: {train_iters: 10}\nmodel: {tensor_model_parallel_size: 2}\n")
        #expect(
            file.problems() == [
                "run.yaml: model: overrides a recipe, which is Python and is not read here; "
                    + "give the whole configuration, which a run prints and keeps as run_config.yaml"
            ])
    }

    @Test(arguments: [
        ("num_layers: 16", "num_layers: x", "run.yaml:48:15: model.num_layers: must be a whole number"),
        ("  num_layers: 16\n", "", "model.num_layers: is missing"),
        ("torch.nn.functional.silu", "torch.nn.functional.elu", "is no gated activation that is known here"),
        ("tensor_model_parallel_size: 1", "tensor_model_parallel_size: 3", "do not divide 8 devices"),
        ("global_batch_size: 512", "global_batch_size: 511", "train.micro_batch_size (layout.microbatch)"),
        ("position_embedding_type: rope", "position_embedding_type: relative", "is not known here"),
        (
            "tensor_model_parallel_size: 1", "tensor_model_paralel_size: 2",
            "model.tensor_model_paralel_size: unknown setting (found '2'); did you mean 'tensor_model_parallel_size'?"
        ),
    ]) func mistakes(_ old: String, _ new: String, _ message: String) {
        let found = Self.llama.replacing(old, new).problems(devices: 8)
        #expect(found.contains { $0.contains(message) }, "\(found)")
    }
}

import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Configurations of NeMo 1 and NeMo 2 read as plans.
@Suite struct NeMoTests {
    /// NeMo's launcher for GPT-3 175B: values that refer to others, one of them through an operation.
    private static let first = ForeignFile(
        format: .nemo,
        text: """
            trainer:
              num_nodes: 128
              devices: 8
              precision: bf16
              max_steps: 75000
            model:
              micro_batch_size: 1
              global_batch_size: 2048
              rampup_batch_size: null
              tensor_model_parallel_size: 4
              pipeline_model_parallel_size: 8
              virtual_pipeline_model_parallel_size: 6
              encoder_seq_length: 2048
              max_position_embeddings: ${.encoder_seq_length}
              num_layers: 96
              hidden_size: 12288
              ffn_hidden_size: ${multiply:4, ${.hidden_size}}
              num_attention_heads: 96
              sequence_parallel: True
              overlap_p2p_comm: True
              mcore_gpt: True
              transformer_engine: True
              fp8: False
              fp8_hybrid: True
              activations_checkpoint_granularity: null
              tokenizer:
                library: 'megatron'
                type: 'GPT2BPETokenizer'
                vocab_file: ${data_dir}/bpe/vocab.json
              optim:
                name: mcore_distributed_optim
                overlap_grad_sync: True
              data:
                seq_length: 2048
            """)

    @Test func gpt3() throws {
        let imported = try Self.first.read()
        let plan = imported.plan
        let layout = try #require(plan.layout)
        #expect(plan.model.ffn == 49152 && plan.model.vocab == 50257 && plan.model.positionEntries ?? 2048 == 2048)
        #expect(abs(Double(plan.model.parameters().total) / 175e9 - 1) < 0.01)
        #expect(plan.devices == 1024 && layout.data == 32 && layout.virtualStages == 6)
        #expect(layout.sequenceParallel && layout.sharding == .optimizer && layout.overlap.data)
        #expect(plan.tokens == 314_572_800_000)
        #expect(imported.left.joined().contains("model.tokenizer.vocab_file"), "\(imported.left)")
    }

    /// Qwen1.5 7B, 7,721,324,544 parameters: norms in lower case, biases of queries, keys and values, a stated vocabulary.
    @Test func qwen() throws {
        let plan = try ForeignFile(
            format: .nemo,
            text: """
                trainer: {num_nodes: 1, devices: 8, precision: bf16, max_steps: -1}
                model:
                  micro_batch_size: 1
                  global_batch_size: 64
                  tensor_model_parallel_size: 4
                  pipeline_model_parallel_size: 1
                  encoder_seq_length: 4096
                  num_layers: 32
                  hidden_size: 4096
                  ffn_hidden_size: 11008
                  num_attention_heads: 32
                  num_query_groups: 32
                  override_vocab_size: 151936
                  normalization: rmsnorm
                  bias: false
                  qkv_bias: true
                  activation: fast-swiglu
                  position_embedding_type: rope
                  share_embeddings_and_output_weights: false
                  activations_checkpoint_granularity: full
                  activations_checkpoint_method: block
                  activations_checkpoint_num_layers: 4
                  optim: {name: distributed_fused_adam, grad_sync_dtype: bf16}
                """
        ).read().plan
        let layout = try #require(plan.layout)
        #expect(plan.model.parameters().total == 7_721_324_544)
        #expect(plan.tokens == nil)
        #expect(layout.recompute == .full && layout.recomputed == .first(4))
        #expect(layout.gradients == .bf16 && layout.sharding == .optimizer)
    }

    private static let second = ForeignFile(
        format: .nemo,
        text: """
            _partial_: true
            _target_: nemo.collections.llm.api.pretrain
            data:
              _target_: nemo.collections.llm.gpt.data.pre_training.PreTrainingDataModule
              global_batch_size: 128
              micro_batch_size: 1
              paths: &paths
              - data/
              seq_length: 8192
              tokenizer:
                pretrained_model_name: meta-llama/Llama-3.1-8B
            model:
              _target_: nemo.collections.llm.gpt.model.llama.LlamaModel
              config:
                _target_: nemo.collections.llm.gpt.model.llama.Llama3Config8B
            optim:
              config:
                _target_: megatron.core.optimizer.optimizer_config.OptimizerConfig
                optimizer: adam
                use_distributed_optimizer: true
            trainer:
              _target_: nemo.lightning.pytorch.trainer.Trainer
              callbacks:
              - _target_: nemo.utils.exp_manager.TimingCallback
              - _target_: nemo.lightning.pytorch.callbacks.megatron_comm_overlap.MegatronCommOverlapCallback
                tp_comm_overlap: true
              devices: 8
              max_steps: 10000
              num_nodes: 2
              plugins:
                _target_: nemo.lightning.pytorch.plugins.mixed_precision.MegatronMixedPrecision
                fp8: hybrid
                fp8_param_gather: true
                fp8_recipe: tensorwise
                first_last_layers_bf16: true
                num_layers_at_start_in_bf16: 1
                num_layers_at_end_in_bf16: 1
                grad_reduce_in_fp32: false
                precision: bf16-mixed
              strategy:
                _target_: nemo.lightning.pytorch.strategies.megatron_strategy.MegatronStrategy
                context_parallel_size: 2
                tensor_model_parallel_size: 2
                sequence_parallel: true
                pipeline_model_parallel_size: 1
                virtual_pipeline_model_parallel_size: null
                ddp:
                  data_parallel_sharding_strategy: optim_grads_params
                  grad_reduce_in_fp32: true
                  overlap_grad_reduce: true
            """)

    /// The class holds the shape: Llama 3 8B has 8,030,261,248 parameters.
    @Test func classes() throws {
        let plan = try Self.second.read().plan
        let layout = try #require(plan.layout)
        #expect(plan.model.parameters().total == 8_030_261_248)
        #expect(plan.devices == 16 && layout.data == 4 && layout.context == 2 && layout.tensor == 2)
        #expect(layout.overlap.tensor && layout.sequenceParallel)
        // The strategy of FSDP acts only where FSDP is asked for.
        #expect(layout.sharding == .optimizer)
        // The plugin has the last word.
        #expect(layout.gradients == .bf16)
        #expect(plan.recipe?.scaling == .tensorwise && plan.recipe?.bf16LayersAtEnd == 1)
    }

    @Test func fieldsChangeTheClass() throws {
        let shorter = Self.second.replacing("Llama3Config8B\n", "Llama3Config8B\n    num_layers: 16\n")
        #expect(try shorter.read().plan.model.layers == 16)
    }

    @Test(arguments: [
        (
            "Llama3Config8B", "Llama3Config8C",
            "run.yaml:15:15: model.config._target_: is no configuration class of NeMo"
        ),
        ("Llama3Config8B", "Gemma3Config1B", "blocks"),
        ("precision: bf16-mixed", "precision: int4", "is no precision that is known here"),
    ]) func mistakesOfTheSecond(_ old: String, _ new: String, _ message: String) {
        let found = Self.second.replacing(old, new).problems()
        #expect(found.contains { $0.contains(message) }, "\(found)")
    }

    @Test(arguments: [
        ("num_layers: 96", "num_layers: 40", "model.virtual_pipeline_model_parallel_size"),
        ("  num_layers: 96\n", "", "model.num_layers: is missing"),
        ("${multiply:4, ${.hidden_size}}", "${multiply:4, ${.hiden_size}}", "(found '${multiply:4, ${.hiden_size}}')"),
        (
            "fp8: False", "normalization: batchnorm",
            "run.yaml:23:18: model.normalization: is no norm that is known here"
        ),
        ("GPT2BPETokenizer", "Other", "model.override_vocab_size: is missing"),
        ("num_nodes: 128", "num_nodes: 1", "do not divide 8 devices"),
    ]) func mistakesOfTheFirst(_ old: String, _ new: String, _ message: String) {
        let found = Self.first.replacing(old, new).problems()
        #expect(found.contains { $0.contains(message) }, "\(found)")
    }

    /// References that lead back to themselves, or grow without end, stay as they are written.
    @Test func circles() {
        let circle = Self.first.replacing("num_layers: 96", "num_layers: ${.hidden_size}").replacing(
            "hidden_size: 12288", "hidden_size: ${.num_layers}")
        #expect(circle.problems().contains { $0.contains("must be a whole number") })
        let lists = Self.first.replacing("num_layers: 96", "num_layers: ${.a}${.a}\n  a: ${.b}${.b}\n  b: ${.a}${.a}")
        #expect(!lists.problems().isEmpty)
    }
}

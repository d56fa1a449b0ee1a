import Interchange
import Models
import Plans
import Reading
import Schedules
import TestSupport
import Testing

/// Experiments of Primus read as plans.
@Suite struct PrimusTests {
    /// The example for Llama 3.1 8B on MI300X: the shape in a model file, degrees from the environment.
    private static let llama = ForeignFile(
        format: .primus,
        text: """
            work_group: ${PRIMUS_TEAM:amd}
            modules:
              pre_trainer:
                framework: megatron
                config: pre_trainer.yaml
                model: ${PRIMUS_MODEL:llama3.1_8B}.yaml
                overrides:
                  stderr_sink_level: DEBUG
                  train_iters: 50
                  micro_batch_size: 2
                  global_batch_size: 128
                  seq_length: ${PRIMUS_SEQ_LENGTH:8192}
                  tensor_model_parallel_size: ${PRIMUS_TP:1}
                  pipeline_model_parallel_size: 1
                  overlap_grad_reduce: true
                  mtp_num_layers: null
                  mock_data: true
            """)

    @Test func llama() throws {
        let imported = try Self.llama.read(devices: 8)
        let plan = imported.plan
        let layout = try #require(plan.layout)
        #expect(plan.model.parameters().total == 8_030_261_248)
        #expect(plan.cluster.name == "mi300x" && plan.precision == .bf16)
        #expect(plan.model.sequence == 8192 && plan.batch == 128 && layout.microbatch == 2 && layout.data == 8)
        // pre_trainer.yaml has the distributed optimizer.
        #expect(layout.sharding == .optimizer && layout.overlap.data)
        #expect(imported.left.count == 1 && imported.left[0].contains("mock_data: a plan cannot say it"))
    }

    /// DeepSeek-V3, whose latent attention the example switches off: heads of 128 numbers take its place.
    @Test func overridesChangeTheModelFile() throws {
        let base = Self.llama.replacing("llama3.1_8B", "deepseek_v3").replacing(
            "seq_length: ${PRIMUS_SEQ_LENGTH:8192}",
            "seq_length: 4096\n      expert_model_parallel_size: ${PRIMUS_EP:8}")
        let whole = try base.replacing("mtp_num_layers: null", "mtp_num_layers: 0").read(devices: 64).plan
        #expect(whole.model.parameters().total == 671_026_419_200)
        #expect(whole.layout?.expert == 8)
        let plain = try base.replacing(
            "mtp_num_layers: null", "mtp_num_layers: null\n      multi_latent_attention: false"
        )
        .read(devices: 64).plan
        #expect(plain.model.mla == nil && plain.model.headSize == 128 && plain.model.predictors == 0)
    }

    @Test func dispatcherAndPipeline() throws {
        let layout = try #require(
            Self.llama.replacing("llama3.1_8B", "mixtral_8x7B_v0.1").replacing(
                "seq_length: ${PRIMUS_SEQ_LENGTH:8192}",
                """
                seq_length: 4096
                      expert_model_parallel_size: 8
                      enable_primus_turbo: true
                      use_turbo_deepep: true
                      patch_primus_pipeline: true
                      pp_algorithm: zero-bubble
                """
            ).replacing("pipeline_model_parallel_size: 1", "pipeline_model_parallel_size: 2").read(devices: 16).plan
                .layout)
        #expect(layout.dispatcher == .deepep && layout.schedule.rawValue == "zb-h1" && layout.expert == 8)
    }

    @Test(arguments: [
        ("llama3.1_8B", "llama3.1_8C", "run.yaml:6:12: modules.pre_trainer.model: is no model file of Primus"),
        (
            "framework: megatron", "framework: torchtitan",
            "run.yaml:4:16: modules.pre_trainer.framework: is not read here"
        ),
        ("llama3.1_8B", "mamba_370M", "names blocks that this import does not read"),
        (
            "micro_batch_size: 2", "micro_batch_size: two",
            "run.yaml:10:25: modules.pre_trainer.overrides.micro_batch_size"
        ),
        ("${PRIMUS_TP:1}", "${PRIMUS_TP}", "must be a whole number"),
    ]) func mistakes(_ old: String, _ new: String, _ message: String) {
        let found = Self.llama.replacing(old, new).problems(devices: 8)
        #expect(found.contains { $0.contains(message) }, "\(found)")
    }

    /// A slip of the pen is none of Primus' own settings.
    @Test func misspeltSettings() {
        let found = Self.llama.replacing("pipeline_model_parallel_size: 1", "pipeline_model_paralel_size: 2").problems(
            devices: 8)
        #expect(found.contains { $0.contains("did you mean 'pipeline_model_parallel_size'?") }, "\(found)")
    }
}

import Interchange
import Models
import Plans
import Reading
import Schedules
import TestSupport
import Testing

/// Configurations of MaxText read as plans.
@Suite struct MaxTextTests {
    /// src/maxtext/configs/gpu/models/llama2_70b.yml of AI-Hypercomputer/maxtext.
    private static let llama = ForeignFile(
        format: .maxText,
        text: """
            base_config: "base.yml"
            run_name: "gpu_train_test"
            hardware: "gpu"
            steps: 30
            per_device_batch_size: 6
            max_target_length: 4096
            model_name: "llama2-70b"
            attention: "cudnn_flash_te"
            remat_policy: "full"
            dcn_data_parallelism: 1
            dcn_fsdp_parallelism: -1
            ici_fsdp_parallelism: -1
            """)

    @Test func llama2() throws {
        let imported = try Self.llama.read(devices: 64)
        let plan = imported.plan
        let layout = try #require(plan.layout)
        #expect(plan.model.parameters().total == 68_976_648_192)
        #expect(plan.batch == 384 && layout.data == 64 && layout.microbatch == 6 && layout.sharding == .parameters)
        #expect(plan.tokens == 30 * 384 * 4096 && layout.recompute == .full)
        #expect(imported.ignored == ["run_name"], "\(imported.ignored)")
    }

    /// The published count without its module for a second token.
    @Test func deepSeekV3() throws {
        let plan = try Self.llama.replacing("llama2-70b", "deepseek3-671b").replacing(
            "ici_fsdp_parallelism: -1", "ici_fsdp_parallelism: -1\nici_expert_parallelism: 8"
        ).read(devices: 64).plan
        #expect(plan.model.parameters().total == 671_026_419_200)
        #expect(plan.layout?.expert == 8 && plan.layout?.data == 64)
    }

    /// Axes of both kinds, an axis that takes what is left, and replicas of shards.
    @Test func mesh() throws {
        let layout = try #require(
            Self.llama.replacing(
                "dcn_fsdp_parallelism: -1\nici_fsdp_parallelism: -1",
                "ici_tensor_parallelism: 4\nici_fsdp_parallelism: -1\nnum_slices: 4"
            ).replacing("dcn_data_parallelism: 1", "dcn_data_parallelism: -1").read(devices: 128).plan.layout)
        #expect(layout.tensor == 4 && layout.data == 32 && layout.shardGroup == 8 && layout.sharding == .parameters)
    }

    @Test func pipelines() throws {
        let plan = try Self.llama.replacing(
            "dcn_fsdp_parallelism: -1\nici_fsdp_parallelism: -1",
            "dcn_pipeline_parallelism: 4\nici_fsdp_parallelism: 8\nnum_layers_per_pipeline_stage: 5\nnum_pipeline_microbatches: 8"
        ).replacing("per_device_batch_size: 6", "per_device_batch_size: 8").read(devices: 32).plan
        let layout = try #require(plan.layout)
        #expect(layout.pipeline == 4 && layout.virtualStages == 4 && layout.schedule.rawValue == "looped-bfs")
        #expect(plan.batch == 256 && layout.microbatch == 4)
    }

    /// Chips of a topology: `v5p-256` counts cores.
    @Test func topologies() throws {
        let plan = try Self.llama.replacing(
            "hardware: \"gpu\"", "hardware: \"tpu\"\ncompile_topology: v5p-256\ncompile_topology_num_slices: 2"
        ).replacing("attention: \"cudnn_flash_te\"", "attention: flash").read().plan
        #expect(plan.devices == 256 && plan.cluster.name == "tpu-v5p")
    }

    @Test(arguments: [
        ("llama2-70b", "llama2-71b", "run.yaml:7:13: model_name: is no model of MaxText that is known here"),
        ("llama2-70b", "gemma2-9b", "run.yaml:7:13: model_name: has blocks that this import does not read"),
        ("remat_policy: \"full\"", "remat_policy: all", "run.yaml:9:15: remat_policy: is not known here"),
        ("ici_fsdp_parallelism: -1", "ici_fsdp_parallelism: 5", "do not divide 64 devices"),
        ("ici_fsdp_parallelism: -1", "ici_fsdp_parallelism: -1\nici_data_parallelism: -1", "are both −1"),
        ("per_device_batch_size: 6", "per_device_batch_sise: 6", "did you mean 'per_device_batch_size'?"),
        ("per_device_batch_size: 6", "per_device_batch_size: 0.001", "less than one"),
        ("per_device_batch_size: 6", "ici_diloco_parallelism: 2", "is no axis that a plan can say"),
    ]) func mistakes(_ old: String, _ new: String, _ message: String) {
        let found = Self.llama.replacing(old, new).problems(devices: 64)
        #expect(found.contains { $0.contains(message) }, "\(found)")
    }

    /// The default beneath a misspelt setting does not hide the mistake.
    @Test func misspeltSettings() {
        let file = ForeignFile(
            format: .maxText,
            text: "base_emb_dim: 1024\nbase_num_decoder_layer: 96\nper_device_batch_size: 1\nvocab_size: 1000\n")
        #expect(file.problems(devices: 8).contains { $0.contains("did you mean 'base_num_decoder_layers'?") })
    }
}

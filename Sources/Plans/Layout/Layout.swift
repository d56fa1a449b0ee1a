package import Models
internal import Numbers
package import Schedules

/// How the work is split over devices: the one description shared by planner, simulator and runtime.
package struct Layout: Hashable, Codable, Sendable {
    /// What is recomputed in the backward pass instead of kept (Korthikanti et al. 2022).
    package enum Recompute: String, Hashable, Codable, Sendable, CaseIterable {
        case none
        /// Core attention only.
        case selective
        /// The whole block from its input.
        case full
    }

    /// What data-parallel ranks share out among themselves (ZeRO stages 0 to 3; `parameters` is also FSDP).
    package enum Sharding: String, Hashable, Codable, Sendable, CaseIterable {
        case none, optimizer, gradients, parameters
    }

    /// Which communication runs behind compute.
    package struct Overlap: Hashable, Codable, Sendable {
        package var data: Bool
        package var tensor: Bool
        package var pipeline: Bool
        /// Taking tokens to their experts and back, behind the compute of another micro-batch.
        package var expert: Bool

        package init(data: Bool = true, tensor: Bool = false, pipeline: Bool = true, expert: Bool = false) {
            self.data = data
            self.tensor = tensor
            self.pipeline = pipeline
            self.expert = expert
        }
    }

    package var data: Int
    package var tensor: Int
    package var pipeline: Int
    /// Stages a pipeline rank holds, `v`.
    package var virtualStages: Int
    package var context: Int
    package var expert: Int
    package var expertTensor: Int
    /// Sequences in one micro-batch.
    package var microbatch: Int
    package var schedule: ScheduleName
    package var recompute: Recompute
    /// Blocks of every stage that are recomputed where `recompute` is full, the first ones (Megatron-LM's
    /// `--recompute-num-layers` with the block method); nil: all of them.
    package var recomputeLayers: Int?
    package var sharding: Sharding
    /// Data (and context) ranks that hold one set of shards between them; nil: all of them. Fewer is hybrid sharding:
    /// gathering stays inside the group, whole groups are replicas of one another.
    package var shardGroup: Int?
    package var sequenceParallel: Bool
    package var flashAttention: Bool
    /// Format gradients are accumulated in; nil takes the default of the plan's precision (fp32 with bf16 and fp32,
    /// fp16 with fp16).
    package var gradients: Precision?
    package var overlap: Overlap
    /// Blocks of every stage, in stage order; nil lets `StagePartition` balance them.
    package var layersPerStage: [Int]?

    package init(
        data: Int = 1, tensor: Int = 1, pipeline: Int = 1, virtualStages: Int = 1, context: Int = 1, expert: Int = 1,
        expertTensor: Int = 1, microbatch: Int = 1, schedule: ScheduleName = .oneForwardOneBackward,
        recompute: Recompute = .none, sharding: Sharding = .none, sequenceParallel: Bool = false,
        flashAttention: Bool = true, gradients: Precision? = nil, overlap: Overlap = Overlap(),
        layersPerStage: [Int]? = nil, shardGroup: Int? = nil, recomputeLayers: Int? = nil
    ) {
        self.recomputeLayers = recomputeLayers
        self.shardGroup = shardGroup
        self.data = data
        self.tensor = tensor
        self.pipeline = pipeline
        self.virtualStages = virtualStages
        self.context = context
        self.expert = expert
        self.expertTensor = expertTensor
        self.microbatch = microbatch
        self.schedule = schedule
        self.recompute = recompute
        self.sharding = sharding
        self.sequenceParallel = sequenceParallel
        self.flashAttention = flashAttention
        self.gradients = gradients
        self.overlap = overlap
        self.layersPerStage = layersPerStage
    }

    /// Devices the layout needs: data · tensor · pipeline · context; the largest number there is beyond 64 bits.
    package var devices: Int { Int.product(data, tensor, pipeline, context) ?? .max }
    /// Data and context ranks that hold one set of shards.
    package var shardRanks: Int { sharding == .none ? 1 : shardGroup ?? data * context }
    /// Stages of the pipeline: pipeline · virtualStages, or pipeline where every stage lives on two ranks.
    package var stages: Int { schedule.stages(ranks: pipeline, virtualStages: virtualStages) }
}

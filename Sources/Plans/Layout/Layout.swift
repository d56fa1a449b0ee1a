package import Models
internal import Numbers
package import Schedules

/// The split of the work over devices: the one description shared by planner, simulator and runtime.
package struct Layout: Hashable, Codable, Sendable {
    /// Activations that the backward pass recomputes instead of keeping them (Korthikanti et al. 2022).
    package enum Recompute: String, Hashable, Codable, Sendable, CaseIterable {
        case none
        /// Core attention only is recomputed.
        case selective
        /// The whole block is recomputed from its input.
        case full
    }

    /// State that data-parallel ranks shard among themselves (ZeRO stages 0 to 3; `parameters` is also FSDP).
    package enum Sharding: String, Hashable, Codable, Sendable, CaseIterable {
        case none, optimizer, gradients, parameters
    }

    /// State that replicas of a shard shard among themselves: the outer groups of hybrid sharding (Megatron-FSDP's
    /// `--outer-dp-sharding-strategy`).
    package enum OuterSharding: String, Hashable, Codable, Sendable, CaseIterable {
        case none, optimizer
    }

    /// Communication that overlaps with compute.
    package struct Overlap: Hashable, Codable, Sendable {
        package var data: Bool
        package var tensor: Bool
        package var pipeline: Bool
        /// Sending tokens to their experts and back during the compute of another micro-batch.
        package var expert: Bool
        /// Sending tokens to their experts and back during the compute of the shared experts.
        package var sharedExperts: Bool

        package init(
            data: Bool = true, tensor: Bool = false, pipeline: Bool = true, expert: Bool = false,
            sharedExperts: Bool = false
        ) {
            self.data = data
            self.tensor = tensor
            self.pipeline = pipeline
            self.expert = expert
            self.sharedExperts = sharedExperts
        }

        /// What a priced layout hides if it does not say. Schedules that fuse a forward with a backward exist to hide the
        /// experts' exchanges (DeepSeek-AI 2024, DeepSeek-V3, section 3.2.1).
        package static func standard(with schedule: ScheduleName) -> Overlap { Overlap(expert: schedule.fusesPasses) }
    }

    package var data: Int
    package var tensor: Int
    package var pipeline: Int
    /// Stages that a pipeline rank holds, `v`.
    package var virtualStages: Int
    package var context: Int
    /// How the ranks of a sequence bring queries and keys together.
    package var contextExchange = ContextExchange.ring
    /// Neighbouring context ranks that exchange heads, if rings join several such groups (`headsAndRing`).
    package var contextHeads: Int?
    package var expert: Int
    package var expertTensor: Int
    /// How rows reach their experts. nil: as the software does by default.
    package var dispatcher: Dispatcher?
    /// Sequences in one micro-batch.
    package var microbatch: Int
    package var schedule: ScheduleName
    /// How the ranks of a pipeline divide the vocabulary; nil: the token table is on the first stage, the head on the last.
    package var vocabularyParallel: VocabularyParallel?
    package var recompute: Recompute
    /// The blocks that are recomputed with `recompute` full.
    package var recomputed: RecomputedBlocks
    /// The modules that are recomputed with `recompute` selective; none: core attention, or what the software recomputes.
    package var recomputeModules: RecomputeModules
    package var sharding: Sharding
    /// Data and context ranks in one shard group, which together hold one set of shards. nil: all of them. A smaller
    /// group is hybrid sharding: gathering stays inside the group, and groups are replicas of one another.
    package var shardGroup: Int?
    /// State that the replicas of a shard divide among themselves.
    package var outerSharding = OuterSharding.none
    package var sequenceParallel: Bool
    package var flashAttention: Bool
    /// Format in which gradients are accumulated. nil: the default of the plan's precision (fp32 with bf16 and fp32,
    /// fp16 with fp16).
    package var gradients: Precision?
    package var overlap: Overlap
    /// Parts of a run that devices keep in the memory of their host; nil: none.
    package var offload: Offload?
    /// Blocks of every stage, in stage order. nil: `StagePartition` balances them.
    package var layersPerStage: [Int]?

    package init(
        data: Int = 1, tensor: Int = 1, pipeline: Int = 1, virtualStages: Int = 1, context: Int = 1, expert: Int = 1,
        expertTensor: Int = 1, microbatch: Int = 1, schedule: ScheduleName = .oneForwardOneBackward,
        recompute: Recompute = .none, sharding: Sharding = .none, sequenceParallel: Bool = false,
        flashAttention: Bool = true, gradients: Precision? = nil, overlap: Overlap = Overlap(),
        layersPerStage: [Int]? = nil, shardGroup: Int? = nil, recomputeLayers: Int? = nil,
        recomputeModules: RecomputeModules = []
    ) {
        self.recomputeModules = recomputeModules
        recomputed = recomputeLayers.map(RecomputedBlocks.first) ?? .all
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

    /// Devices that the layout needs: data · tensor · pipeline · context; `Int.max` if the product passes 64 bits.
    package var devices: Int { Int.product(data, tensor, pipeline, context) ?? .max }
    /// Data and context ranks that together hold one set of shards.
    package var shardRanks: Int { sharding == .none ? 1 : shardGroup ?? data * context }
    /// Data and context ranks that together hold one set of optimizer shards.
    package var optimizerRanks: Int { sharesOptimizer ? data * context : shardRanks }
    /// Whether the replicas of a shard share out the optimizer's state.
    package var sharesOptimizer: Bool { outerSharding == .optimizer && sharding == .parameters }
    /// The schedule's name, with the way in which the vocabulary is divided: `1f1b vocab-2`.
    package var scheduleWords: String {
        schedule.rawValue + (vocabularyParallel.map { " \($0.rawValue)" } ?? "")
    }

    /// The pipeline of a step of `microbatches` micro-batches.
    package func pipelineShape(microbatches: Int) -> PipelineShape {
        PipelineShape(
            ranks: pipeline, virtualStages: virtualStages, microbatches: microbatches, vocabulary: vocabularyParallel)
    }

    /// Stages of the pipeline: pipeline · virtualStages, or pipeline if the schedule places every stage on two ranks.
    package var stages: Int { schedule.stages(ranks: pipeline, virtualStages: virtualStages) }
}

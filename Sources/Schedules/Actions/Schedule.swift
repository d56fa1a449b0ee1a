/// Who does what in which order: the action list of every pipeline rank and where each stage lives.
///
/// Made by pure functions (one file a schedule), priced by the planner, timed by the simulator and executed by the
/// runtime: all three read this same value.
package struct Schedule: Hashable, Codable, Sendable {
    /// The name that plans use (`layout.schedule` in docs/plan-format.md), e.g. `1f1b`.
    package var name: String
    /// Pipeline ranks, `p`.
    package var ranks: Int
    /// Stages each rank holds, `v`.
    package var virtualStages: Int
    /// Micro-batches an iteration, `m`.
    package var microbatches: Int
    /// Where each stage lives.
    package var placement: StagePlacement
    /// The ordered actions of each rank.
    package var actions: [[Action]]

    /// Stages of the whole pipeline.
    package var stages: Int { placement.stages }

    package init(
        name: String, ranks: Int, virtualStages: Int, microbatches: Int, placement: StagePlacement,
        actions: [[Action]]
    ) {
        self.name = name
        self.ranks = ranks
        self.virtualStages = virtualStages
        self.microbatches = microbatches
        self.placement = placement
        self.actions = actions
    }
}

/// Which rank computes a stage. Bidirectional schedules (DualPipe, Chimera) hold two copies of every stage and send
/// the first micro-batches down one way and the rest down the other.
package struct StagePlacement: Hashable, Codable, Sendable {
    /// Rank of each stage, for the micro-batches below `split` (all of them when there is one direction).
    package var stageToRank: [Int]
    /// Rank of each stage for the micro-batches from `split` on; nil with one direction.
    package var reverseStageToRank: [Int]?
    /// First micro-batch that travels in the reverse direction.
    package var split: Int

    package init(stageToRank: [Int], reverseStageToRank: [Int]? = nil, split: Int = .max) {
        self.stageToRank = stageToRank
        self.reverseStageToRank = reverseStageToRank
        self.split = split
    }

    /// Stage `s` on rank `s mod p`: plain (v = 1) and looped (v > 1) pipelines.
    package static func looped(ranks: Int, virtualStages: Int) -> StagePlacement {
        StagePlacement(stageToRank: (0..<ranks * virtualStages).map { $0 % ranks })
    }

    /// Two stages a rank, folded: stage `s` on rank `s` on the way out and on rank `2p−1−s` on the way back, so that the
    /// turn and the ends of the pipeline lie on one rank.
    package static func folded(ranks: Int) -> StagePlacement {
        StagePlacement(stageToRank: Array(0..<ranks) + (0..<ranks).reversed())
    }

    /// Two copies of a pipeline of one stage a rank: micro-batches below `split` start at rank 0, the others at the
    /// last rank.
    package static func bidirectional(ranks: Int, split: Int) -> StagePlacement {
        StagePlacement(stageToRank: Array(0..<ranks), reverseStageToRank: (0..<ranks).reversed(), split: split)
    }

    package var stages: Int { stageToRank.count }

    /// The rank that computes `stage` for `microbatch`.
    package func rank(stage: Int, microbatch: Int) -> Int {
        if let reverseStageToRank, microbatch >= split { return reverseStageToRank[stage] }
        return stageToRank[stage]
    }
}

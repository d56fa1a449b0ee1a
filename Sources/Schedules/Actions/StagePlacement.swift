/// The rank of each stage.
///
/// A bidirectional pipeline (DualPipe, Chimera) holds two copies of every stage: the first micro-batches pass one copy,
/// the others pass the second copy in the opposite direction.
package struct StagePlacement: Hashable, Codable, Sendable {
    /// Rank of each stage for the micro-batches below `split`: for all of them when there is one direction.
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

    /// Stage `s` on rank `s mod p`: one stage a rank, or several in a loop (interleaved pipelines).
    package static func looped(ranks: Int, virtualStages: Int) -> StagePlacement {
        StagePlacement(stageToRank: (0..<ranks * virtualStages).map { $0 % ranks })
    }

    /// Two stages a rank in a V: stage `s` on rank `s` up to the last rank, then back, on rank `2p−1−s`. The first and the
    /// last stage share rank 0.
    package static func folded(ranks: Int) -> StagePlacement {
        StagePlacement(stageToRank: Array(0..<ranks) + (0..<ranks).reversed())
    }

    /// Two copies of a pipeline of one stage a rank. Micro-batches below `split` start at rank 0, the others at the last
    /// rank.
    package static func bidirectional(ranks: Int, split: Int) -> StagePlacement {
        StagePlacement(stageToRank: Array(0..<ranks), reverseStageToRank: (0..<ranks).reversed(), split: split)
    }

    /// Stages of the whole pipeline.
    package var stages: Int { stageToRank.count }

    /// The rank that computes `stage` for `microbatch`.
    package func rank(stage: Int, microbatch: Int) -> Int {
        if let reverseStageToRank, microbatch >= split { return reverseStageToRank[stage] }
        return stageToRank[stage]
    }
}

extension StagePlacement {
    /// The placements that schedules by name choose from.
    package enum Kind: Hashable, Sendable, CaseIterable {
        /// One stage a rank.
        case single
        /// Any number of stages a rank, `p` apart.
        case looped
        /// Two stages a rank in a V.
        case folded
        /// Two copies of every stage, on mirrored ranks.
        case bidirectional

        /// Stages each rank holds; nil where any number will do.
        package var virtualStages: Int? {
            switch self {
            case .single: 1
            case .looped: nil
            case .folded, .bidirectional: 2
            }
        }

        /// Copies of every stage's parameters in one pipeline.
        package var copies: Int { self == .bidirectional ? 2 : 1 }

        /// Stages of a pipeline of `ranks` ranks with `virtualStages` stages each. Copies count once.
        package func stages(ranks: Int, virtualStages: Int) -> Int {
            self == .bidirectional ? ranks : ranks * virtualStages
        }

        /// The rank of each stage.
        ///
        /// The lower half of the micro-batches (the larger half of an odd number) enters a bidirectional pipeline at rank 0,
        /// the upper half at the last rank.
        package func placement(ranks: Int, virtualStages: Int, microbatches: Int) -> StagePlacement {
            switch self {
            case .single, .looped: .looped(ranks: ranks, virtualStages: virtualStages)
            case .folded: .folded(ranks: ranks)
            case .bidirectional: .bidirectional(ranks: ranks, split: microbatches - microbatches / 2)
            }
        }
    }
}

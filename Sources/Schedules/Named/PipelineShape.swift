/// The size of a pipeline: everything a schedule's lists depend on.
package struct PipelineShape: Hashable, Codable, Sendable {
    /// Pipeline ranks, `p`.
    package var ranks: Int
    /// Stages each rank holds, `v`.
    package var virtualStages: Int
    /// Micro-batches an iteration, `m`.
    package var microbatches: Int
    /// Consecutive micro-batches that pass one stage of a rank before its next stage takes over (interleaved
    /// schedules only); nil lets the schedule choose.
    package var groupSize: Int?
    /// How the ranks divide the vocabulary; nil: the ends of the model are on the first and on the last stage.
    package var vocabulary: VocabularyParallel?

    package init(
        ranks: Int, virtualStages: Int = 1, microbatches: Int, groupSize: Int? = nil,
        vocabulary: VocabularyParallel? = nil
    ) {
        self.vocabulary = vocabulary
        self.ranks = ranks
        self.virtualStages = virtualStages
        self.microbatches = microbatches
        self.groupSize = groupSize
    }
}

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

    package init(ranks: Int, virtualStages: Int = 1, microbatches: Int, groupSize: Int? = nil) {
        self.ranks = ranks
        self.virtualStages = virtualStages
        self.microbatches = microbatches
        self.groupSize = groupSize
    }
}

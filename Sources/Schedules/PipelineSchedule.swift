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

/// What one schedule knows about itself: a set of pure functions of the pipeline's shape.
///
/// Every function but `problem` asks for a shape without a problem. A new schedule is one file with a type that
/// conforms, a case in `ScheduleName` and a line in `ScheduleName.rules`.
protocol PipelineSchedule {
    /// The first broken rule in words, or nil when the shape has a list. Builds nothing.
    static func problem(_ shape: PipelineShape) -> String?
    /// Where the stages live.
    static func placement(_ shape: PipelineShape) -> StagePlacement
    /// The ordered actions of one rank.
    static func actions(rank: Int, _ shape: PipelineShape) -> [Action]
    /// Most activations, counted in stages, that `rank` holds at once when one is dropped at the end of its backward.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int
    /// Time from the first forward to the last backward with equal stages.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double
}

extension PipelineSchedule {
    static func placement(_ shape: PipelineShape) -> StagePlacement {
        .looped(ranks: shape.ranks, virtualStages: shape.virtualStages)
    }
}

/// Times of a pipeline whose stages are all equal, in one unit (seconds, ticks).
package struct UniformTimes: Hashable, Sendable {
    /// Forward of one rank's whole share of the model for one micro-batch, `T_F`.
    package var forward: Double
    /// Backward (input and weight gradients) of the same, `T_B`.
    package var backward: Double
    /// One transfer between neighbouring ranks, `c`; it occupies neither of them.
    package var transfer: Double

    package init(forward: Double, backward: Double, transfer: Double = 0) {
        self.forward = forward
        self.backward = backward
        self.transfer = transfer
    }
}

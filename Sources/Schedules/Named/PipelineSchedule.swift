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
    /// Whether any list holds input and weight gradients as actions of their own.
    static var splitsBackward: Bool { get }
    /// The ordered actions of one rank.
    static func actions(rank: Int, _ shape: PipelineShape) -> [Action]
    /// The ordered actions of every rank; asked for by itself where the ranks' lists are found together.
    static func lists(_ shape: PipelineShape) -> [[Action]]
    /// Most activations, counted in stages, that `rank` holds at once when one is dropped at the end of its backward
    /// (of its weight gradient, where that is an action of its own).
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int
    /// Most micro-batches of which the last stage (of a direction) has done the forward and not yet all of the backward.
    static func peakHeadMicrobatches(_ shape: PipelineShape) -> Int
    /// Time from the first forward to the last backward with equal stages; an estimate where `isExact` is false.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double
    /// Whether `makespan` is what the simulator finds for the schedule's list. Transfers count as small (a few hundredths
    /// of a forward).
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool
}

extension PipelineSchedule {
    static func placement(_ shape: PipelineShape) -> StagePlacement {
        .looped(ranks: shape.ranks, virtualStages: shape.virtualStages)
    }

    static var splitsBackward: Bool { false }

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        (0..<shape.ranks).map { actions(rank: $0, shape) }
    }

    /// The last stage turns every micro-batch round at once.
    static func peakHeadMicrobatches(_ shape: PipelineShape) -> Int { 1 }

    /// `peakHeadMicrobatches` counted in the list of the last rank, which holds the last stage.
    static func listedHeadMicrobatches(_ shape: PipelineShape) -> Int {
        let last = shape.ranks * shape.virtualStages - 1
        let ofHead = actions(rank: shape.ranks - 1, shape).filter { $0.stage == last }
        return ActivationRelease.backwardWeight.peak(of: ofHead)
    }

    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool { true }

    /// The rule of a schedule that fixes the stages a rank holds and knows no micro-batch groups.
    static func problem(_ shape: PipelineShape, of schedule: ScheduleName, virtualStages: Int) -> String? {
        let name = schedule.rawValue
        if shape.virtualStages != virtualStages {
            let stages = virtualStages == 1 ? "one stage" : "exactly \(virtualStages) stages"
            return "\(name) runs \(stages) a rank, not \(shape.virtualStages) virtual stage"
                + (shape.virtualStages == 1 ? "" : "s")
        }
        if shape.groupSize != nil { return "\(name) has no micro-batch groups; leave the group size out" }
        return nil
    }
}

/// Times of a pipeline whose stages are all equal, in one unit (seconds, ticks).
package struct UniformTimes: Hashable, Sendable {
    /// Forward of one rank's whole share of the model for one micro-batch, `T_F`.
    package var forward: Double
    /// Backward (input and weight gradients) of the same, `T_B`.
    package var backward: Double
    /// Weight gradients alone, `T_W`: the part of `backward` that split schedules move.
    package var backwardWeight: Double
    /// One transfer between neighbouring ranks, `c`; it occupies neither of them.
    package var transfer: Double

    /// Input gradients alone, `T_I`.
    package var backwardInput: Double { backward - backwardWeight }
    /// All work of one micro-batch, `T`.
    package var whole: Double { forward + backward }

    /// - Parameter backwardWeight: half of the backward unless known.
    package init(forward: Double, backward: Double, backwardWeight: Double? = nil, transfer: Double = 0) {
        self.forward = forward
        self.backward = backward
        self.backwardWeight = backwardWeight ?? backward / 2
        self.transfer = transfer
    }
}

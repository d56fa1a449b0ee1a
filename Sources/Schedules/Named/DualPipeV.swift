/// DualPipeV, half of DualPipe folded into a V (Sea AI Lab's "cut-in-half", DeepSeek `DualPipeV`, PyTorch
/// `ScheduleDualPipeV`): two stages a rank. The forward of one micro-batch is fused with the backward of another, so that
/// the communication of each hides behind the work of both.
///
/// The bubble is (p−1)((F&B)+B−3W) for the times F, B, W of a stage. There is no second copy of the parameters.
enum DualPipeV: PipelineSchedule, MakespanLaw {
    static let name = "dualpipev"
    static let aliases = ["DualPipeV", "Cut-in-half"]
    static let placement = StagePlacement.Kind.folded
    static let splitsBackward = true

    static func brokenRule(_ shape: PipelineShape) -> String? {
        let stages = 2 * shape.ranks
        if shape.microbatches < stages {
            return "dualpipev needs at least as many micro-batches as stages (2 · ranks = \(stages)), not "
                + "\(shape.microbatches)"
        }
        return nil
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        DualPipeSteps.actions(
            depth: rank, ranks: shape.ranks, microbatches: shape.microbatches,
            near: DualPipeSteps.Stream(stage: rank), far: DualPipeSteps.Stream(stage: 2 * shape.ranks - 1 - rank))
    }

    /// 2p+1 stages of half a rank's size, on every rank (DeepSeek's table: PP+1).
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { 2 * shape.ranks + 1 }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { .oneAtATime }

    static func shortened(_ shape: PipelineShape) -> PipelineShape { ZeroBubbleV.shortened(shape) }

    /// mT + (p−1)(F&B + B − 3W) with F, B, W of one stage (half a rank) and F&B = F+B (DeepSeek's table).
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let bubble = times.forward + 2 * times.backward - 3 * times.backwardWeight
        return Double(shape.microbatches) * times.whole + Double(shape.ranks - 1) * bubble / 2
            + 2 * Double(2 * shape.ranks - 1) * times.transfer
    }

    /// Exact for T_F = T_I = T_W without transfers; an upper bound with other times.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        times.transfer == 0 && times.forward == times.backwardInput && times.forward == times.backwardWeight
    }
}

extension ScheduleName {
    package static let dualPipeV = ScheduleName(of: DualPipeV.self)
}

/// DualPipeV, the folded half of DualPipe (Sea AI Lab's "cut-in-half", DeepSeek `DualPipeV`, PyTorch
/// `ScheduleDualPipeV`): two stages a rank in a V, forwards of one micro-batch fused with backwards of another so that
/// the communication of either hides behind the work of both.
///
/// Bubble p·((F&B)+B−3W) for stage times F, B, W less one such term, no second copy of the parameters.
enum DualPipeV: PipelineSchedule {
    static var splitsBackward: Bool { true }

    static func problem(_ shape: PipelineShape) -> String? {
        if let rule = problem(shape, of: .dualPipeV, virtualStages: 2) { return rule }
        let stages = 2 * shape.ranks
        if shape.microbatches < stages {
            return "dualpipev needs at least as many micro-batches as stages (2 · ranks = \(stages)), not "
                + "\(shape.microbatches)"
        }
        return nil
    }

    static func placement(_ shape: PipelineShape) -> StagePlacement { .folded(ranks: shape.ranks) }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        DualPipeSteps.actions(
            depth: rank, ranks: shape.ranks, microbatches: shape.microbatches,
            near: DualPipeSteps.Stream(stage: rank), far: DualPipeSteps.Stream(stage: 2 * shape.ranks - 1 - rank))
    }

    /// 2p+1 half-size stages on every rank (DeepSeek's table: PP+1).
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { 2 * shape.ranks + 1 }

    /// mT + (p−1)(F&B + B − 3W) with F, B, W of one stage (half a rank) and F&B = F+B (DeepSeek's table).
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let bubble = times.forward + 2 * times.backward - 3 * times.backwardWeight
        return Double(shape.microbatches) * times.whole + Double(shape.ranks - 1) * bubble / 2
            + 2 * Double(2 * shape.ranks - 1) * times.transfer
    }

    /// For T_F = T_I = T_W without transfers; an upper value with other costs.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        times.transfer == 0 && times.forward == times.backwardInput && times.forward == times.backwardWeight
    }
}

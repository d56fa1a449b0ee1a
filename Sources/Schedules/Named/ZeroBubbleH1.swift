/// ZB-H1, also called ZB1P (Qi et al. 2023, arXiv 2401.10241): 1F1B with the backward split in two. Input gradients go down
/// the pipeline at once, weight gradients fill the bubble. No rank holds more activations than the first rank of 1F1B.
///
/// The bubble is (p−1)(T_F+T_I−T_W): with T_F = T_I = T_W a third of 1F1B's. Any m ≥ 1 has a list.
enum ZeroBubbleH1: PipelineSchedule, MakespanLaw {
    static let name = "zb-h1"
    /// Names in Qi et al. 2023 and their code, and in the DeepSeek-V3 report.
    static let aliases = ["ZBH1", "ZB1P", "ZeroBubbleH1"]
    static let placement = StagePlacement.Kind.single
    static let splitsBackward = true

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        ZeroBubbleHeuristic.lists(shape, limit: shape.ranks)
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] { lists(shape)[rank] }

    /// min(m, p) activations on every rank.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { min(shape.microbatches, shape.ranks) }

    /// As many micro-batches as the last rank holds activations: its one stage is the last stage.
    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog {
        HeadBacklog(pending: 1, deferred: peakActivations(rank: shape.ranks - 1, shape) - 1)
    }

    /// 4p micro-batches: every rank works steadily after at most 2p−1 forwards, and its weight gradients are at most as many
    /// micro-batches late.
    static func shortened(_ shape: PipelineShape) -> PipelineShape {
        var short = shape
        short.microbatches = min(shape.microbatches, 4 * shape.ranks)
        return short
    }

    /// mT + (p−1)(T_F+T_I−T_W) for m ≥ p, (m+p−1)(T_F+T_I) + T_W for m ≤ p.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        let transfers = 2 * (p - 1) * times.transfer
        if m < p { return (m + p - 1) * passes + times.backwardWeight + transfers }
        return m * times.whole + (p - 1) * max(0, passes - times.backwardWeight) + transfers
    }

    /// Exact for T_W ≤ T_I without transfers.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        times.transfer == 0 && times.backwardWeight <= times.backwardInput
    }
}

extension ScheduleName {
    package static let zeroBubbleH1 = ScheduleName(of: ZeroBubbleH1.self)
}

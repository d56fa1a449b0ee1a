/// ZB-H2, also called ZB2P (Qi et al. 2023, arXiv 2401.10241). Twice the activations of ZB-H1 buy more early forwards. No
/// rank then idles between its first and its last action when forward, input and weight gradient take equally long.
///
/// The skew of the ranks' starts, (p−1)T_F, remains. An optimizer without a global barrier hides it.
enum ZeroBubbleH2: PipelineSchedule, MakespanLaw {
    static let name = "zb-h2"
    /// Names in Qi et al. 2023 and their code.
    static let aliases = ["ZBH2", "ZB2P", "ZeroBubbleH2"]
    static let placement = StagePlacement.Kind.single
    static let splitsBackward = true

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        ZeroBubbleHeuristic.lists(shape, limit: 2 * shape.ranks)
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] { lists(shape)[rank] }

    /// min(m, 2p) activations on every rank.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { min(shape.microbatches, 2 * shape.ranks) }

    /// As many micro-batches as the last rank holds activations: its one stage is the last stage.
    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog {
        HeadBacklog(pending: 1, deferred: peakActivations(rank: shape.ranks - 1, shape) - 1)
    }

    static func shortened(_ shape: PipelineShape) -> PipelineShape { ZeroBubbleH1.shortened(shape) }

    /// mT + (p−1)T_F for m ≥ p, (m+p−1)(T_F+T_I) + T_W for m ≤ p. With unequal times the paper's hand-made list adds
    /// (p−1)(T_F+T_I−2T_W), which makes it an upper bound for m ≥ p.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        if m <= p { return ZeroBubbleH1.makespan(shape, times: times) }
        let span = max(0, times.forward + times.backwardInput - 2 * times.backwardWeight)
        return m * times.whole + (p - 1) * (times.forward + span) + 2 * (p - 1) * times.transfer
    }

    /// Exact without transfers for T_F = T_I = T_W, and for m ≤ p wherever T_W ≤ T_I.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        shape.microbatches <= shape.ranks
            ? ZeroBubbleH1.isExact(shape, times: times) : DualPipeV.isExact(shape, times: times)
    }
}

extension ScheduleName {
    package static let zeroBubbleH2 = ScheduleName(of: ZeroBubbleH2.self)
}

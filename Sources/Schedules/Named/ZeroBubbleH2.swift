/// ZB-H2, as ZB2P (Qi et al. 2023, arXiv 2401.10241): twice the activations of ZB-H1 buy enough early forwards that no rank
/// idles between its first and its last action when forward, input and weight gradient take equally long.
///
/// What is left is the skew of the ranks' starts, (p−1)T_F, which an optimizer that needs no global barrier hides.
enum ZeroBubbleH2: PipelineSchedule {
    static var splitsBackward: Bool { true }

    static func problem(_ shape: PipelineShape) -> String? {
        problem(shape, of: .zeroBubbleH2, virtualStages: 1)
    }

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        ZeroBubbleHeuristic.lists(shape, limit: 2 * shape.ranks)
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] { lists(shape)[rank] }

    /// min(m, 2p).
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { min(shape.microbatches, 2 * shape.ranks) }

    static func peakHeadMicrobatches(_ shape: PipelineShape) -> Int { peakActivations(rank: shape.ranks - 1, shape) }

    /// mT + (p−1)T_F for m ≥ p, (m+p−1)(T_F+T_I) + T_W for m ≤ p. With unequal times the paper's hand-made list adds
    /// (p−1)(T_F+T_I−2T_W): an upper value for m ≥ p.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        if m <= p { return ZeroBubbleH1.makespan(shape, times: times) }
        let span = max(0, times.forward + times.backwardInput - 2 * times.backwardWeight)
        return m * times.whole + (p - 1) * (times.forward + span) + 2 * (p - 1) * times.transfer
    }

    /// Without transfers: for T_F = T_I = T_W, and for m ≤ p wherever T_W ≤ T_I.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        shape.microbatches <= shape.ranks
            ? ZeroBubbleH1.isExact(shape, times: times) : DualPipeV.isExact(shape, times: times)
    }
}

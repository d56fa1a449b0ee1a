/// V-Half (Qi et al. 2024, arXiv 2405.15362): a folded pipeline with split backwards that holds about half the activations of
/// 1F1B, p half-size stages and a few, for a little bubble at both ends.
///
/// Sea AI Lab's pattern, reordered. Costs do not enter the list.
enum VHalf: PipelineSchedule {
    static var splitsBackward: Bool { true }

    static func problem(_ shape: PipelineShape) -> String? { problem(shape, of: .vHalf, virtualStages: 2) }

    static func placement(_ shape: PipelineShape) -> StagePlacement { .folded(ranks: shape.ranks) }

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        let p = shape.ranks
        let gap = p % 2 == 0 ? 3 : 0
        var reordering = FoldedReordering(
            pattern: (0..<p).map { [2 * $0, 3 * p - $0 - 2, 3 * p + gap + 2 * $0 - 1, 6 * p + gap - $0 - 2] },
            microbatches: shape.microbatches)
        return reordering.lists()
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] { lists(shape)[rank] }

    /// 2⌊p/2⌋+2 half-size stages on every rank for m ≥ 2p.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        if shape.microbatches >= 2 * shape.ranks { return 2 * (shape.ranks / 2) + 2 }
        return ActivationRelease.backwardWeight.peak(of: lists(shape)[rank])
    }

    /// mT + (p−1)(T_F+T_I)/2, an estimate: a few hundredths off for equal times, and too low for unequal ones, which the
    /// pattern of equal slots turns into gaps in every micro-batch.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        return m * times.whole + (p - 1) * passes / 2 + 2 * (2 * p - 1) * times.transfer
    }

    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool { false }
}

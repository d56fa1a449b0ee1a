/// V-Min (Qi et al. 2024, arXiv 2405.15362): a folded pipeline with split backwards that holds as few activations as a
/// folded one can, about a third of 1F1B's.
///
/// Sea AI Lab's pattern, reordered. Costs do not enter the list.
enum VMin: PipelineSchedule {
    static var splitsBackward: Bool { true }

    static func problem(_ shape: PipelineShape) -> String? { problem(shape, of: .vMin, virtualStages: 2) }

    static func placement(_ shape: PipelineShape) -> StagePlacement { .folded(ranks: shape.ranks) }

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        let p = shape.ranks
        let gap = p % 3 == 0 ? 2 : 0
        var reordering = FoldedReordering(
            pattern: (0..<p).map { [$0, 2 * p - $0 - 1, 2 * p + gap + $0, 4 * p + gap - $0 - 1] },
            microbatches: shape.microbatches)
        return reordering.lists()
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] { lists(shape)[rank] }

    /// 2⌊(p+1)/3⌋+2 half-size stages on every rank for m ≥ 2p, one less on the first where p leaves 2 when divided by 3.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        let p = shape.ranks
        if shape.microbatches >= 2 * p { return 2 * ((p + 1) / 3) + 2 - (rank == 0 && p % 3 == 2 ? 1 : 0) }
        return ActivationRelease.backwardWeight.peak(of: lists(shape)[rank])
    }

    /// mT + (p−1)(T_F+T_I), an estimate: a few hundredths off for equal times, and too low for unequal ones, which the
    /// pattern of equal slots turns into gaps in every micro-batch.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        return m * times.whole + (p - 1) * passes + 2 * (2 * p - 1) * times.transfer
    }

    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool { false }
}

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

    /// Found in the list of at most 6p micro-batches: longer ones repeat the middle.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        var short = shape
        short.microbatches = min(shape.microbatches, 6 * shape.ranks)
        return ActivationRelease.backwardWeight.peak(of: lists(short)[rank])
    }

    /// mT + (p−1)(T_F+T_I), an estimate.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        return m * times.whole + (p - 1) * passes + 2 * (2 * p - 1) * times.transfer
    }

    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool { false }
}

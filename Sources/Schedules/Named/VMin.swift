/// V-Min (Qi et al. 2024, arXiv 2405.15362): a folded pipeline with split backwards. It holds as few activations as a
/// folded pipeline can, about a third of 1F1B's.
///
/// The lists are Sea AI Lab's pattern, reordered. They do not depend on times.
enum VMin: PipelineSchedule, MakespanEstimate {
    static let name = "v-min"
    static let aliases = ["V-Min", "ZBV-Min"]
    static let placement = StagePlacement.Kind.folded
    static let splitsBackward = true

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        let p = shape.ranks
        let gap = p % 3 == 0 ? 2 : 0
        var reordering = FoldedReordering(
            pattern: (0..<p).map { [$0, 2 * p - $0 - 1, 2 * p + gap + $0, 4 * p + gap - $0 - 1] },
            microbatches: shape.microbatches)
        return reordering.lists()
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] { lists(shape)[rank] }

    /// 2⌊(p+1)/3⌋+2 stages of half a rank's size, on every rank, for m ≥ 2p; one less on the first where p mod 3 = 2.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        let p = shape.ranks
        if shape.microbatches >= 2 * p { return 2 * ((p + 1) / 3) + 2 - (rank == 0 && p % 3 == 2 ? 1 : 0) }
        return ActivationRelease.backwardWeight.peak(of: lists(shape)[rank])
    }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { .oneAtATime }

    static func shortened(_ shape: PipelineShape) -> PipelineShape { ZeroBubbleV.shortened(shape) }

    /// mT + (p−1)(T_F+T_I). With equal times it is a few hundredths off. With unequal times it is too low: the pattern has
    /// equal slots, so every micro-batch then leaves gaps.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        return m * times.whole + (p - 1) * passes + 2 * (2 * p - 1) * times.transfer
    }
}

extension ScheduleName {
    package static let vMin = ScheduleName(of: VMin.self)
}

/// V-Half (Qi et al. 2024, arXiv 2405.15362): a folded pipeline with split backwards. It holds about half the activations of
/// 1F1B and pays with a small bubble at both ends.
///
/// The lists are Sea AI Lab's pattern, reordered. They do not depend on times.
enum VHalf: PipelineSchedule, MakespanEstimate {
    static let name = "v-half"
    static let aliases = ["V-Half", "ZBV-Half"]
    static let placement = StagePlacement.Kind.folded
    static let splitsBackward = true

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        let p = shape.ranks
        let gap = p % 2 == 0 ? 3 : 0
        var reordering = FoldedReordering(
            pattern: (0..<p).map { [2 * $0, 3 * p - $0 - 2, 3 * p + gap + 2 * $0 - 1, 6 * p + gap - $0 - 2] },
            microbatches: shape.microbatches)
        return reordering.lists()
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] { lists(shape)[rank] }

    /// 2⌊p/2⌋+2 stages of half a rank's size, on every rank, for m ≥ 2p.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        if shape.microbatches >= 2 * shape.ranks { return 2 * (shape.ranks / 2) + 2 }
        return ActivationRelease.backwardWeight.peak(of: lists(shape)[rank])
    }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { .oneAtATime }

    static func shortened(_ shape: PipelineShape) -> PipelineShape { ZeroBubbleV.shortened(shape) }

    /// mT + (p−1)(T_F+T_I)/2. With equal times it is a few hundredths off. With unequal times it is too low: the pattern has
    /// equal slots, so every micro-batch then leaves gaps.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        return m * times.whole + (p - 1) * passes / 2 + 2 * (2 * p - 1) * times.transfer
    }
}

extension ScheduleName {
    package static let vHalf = ScheduleName(of: VHalf.self)
}

/// 1F1B, also called PipeDream-Flush (Narayanan et al. 2021, 2.2.1; PyTorch `Schedule1F1B`, Megatron-LM without
/// interleaving, DeepSpeed `TrainSchedule`).
///
/// Rank r starts with min(m, p−1−r) forwards, then alternates one forward and one backward, then drains. The bubble is
/// GPipe's, but rank r holds no more than p−r activations. Any m ≥ 1 has a list. With m < p the pipeline is never full.
///
/// With a vocabulary that all ranks divide, the lists are those of `VocabularyPasses`, and rank r holds one activation more
/// for each barrier.
enum OneForwardOneBackward: PipelineSchedule, MakespanLaw {
    static let name = "1f1b"
    /// Names in PyTorch, in the papers of Megatron-LM and DeepSpeed, and in Fan et al. 2021.
    static let aliases = ["1F1B", "OneForwardOneBackward", "PipeDream-Flush", "DAPPLE"]
    static let placement = StagePlacement.Kind.single
    static let splitsBackward = false
    static let hasFullBubble = true
    static let fillsFirst = true
    static let dividesVocabulary = true
    static var interleavedForm: ScheduleName? { .interleaved }

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        guard let vocabulary = shape.vocabulary else { return (0..<shape.ranks).map { actions(rank: $0, shape) } }
        let passes = VocabularyPasses(ranks: shape.ranks, microbatches: shape.microbatches, vocabulary)
        return (0..<shape.ranks).map(passes.actions)
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        if shape.vocabulary != nil { return lists(shape)[rank] }
        let m = shape.microbatches
        let warmup = min(m, shape.ranks - 1 - rank)
        var list: [Action] = []
        list.reserveCapacity(2 * m)
        for i in 0..<warmup { list.append(Action(.forward, stage: rank, microbatch: i)) }
        for i in warmup..<m {
            list.append(Action(.forward, stage: rank, microbatch: i))
            list.append(Action(.backward, stage: rank, microbatch: i - warmup))
        }
        for i in (m - warmup)..<m { list.append(Action(.backward, stage: rank, microbatch: i)) }
        return list
    }

    /// min(m, p−r) activations on rank r; min(m, p−r+b) with a divided vocabulary and b barriers.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        min(shape.microbatches, shape.ranks - rank + (shape.vocabulary?.barriers ?? 0))
    }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { .oneAtATime }

    /// (m+p−1)(T_F+T_B) + 2cE, with E = p−1 for m = 1, else (p−1) + (m−2) − ⌊(m−2)/p⌋.
    ///
    /// A divided vocabulary is counted with S as a part of the forward and T as a part of the backward, which is no law but
    /// near: the passes of the output layer do not wait while the pipeline fills.
    ///
    /// Exact for c ≤ T_F ≤ T_B. In the steady state a cycle through k hops costs 2kc per k+1 micro-batches, so plain
    /// 1F1B loses 2c(p−1)/p a micro-batch: transfers are never hidden.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (shape.ranks, shape.microbatches)
        let exposed = p == 1 ? 0 : m == 1 ? p - 1 : (p - 1) + (m - 2) - (m - 2) / p
        return Double(m + p - 1) * (times.forward + times.backward) + 2 * times.transfer * Double(exposed)
    }

    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool { shape.vocabulary == nil }
}

extension ScheduleName {
    package static let oneForwardOneBackward = ScheduleName(of: OneForwardOneBackward.self)
}

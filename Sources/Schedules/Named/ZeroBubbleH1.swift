/// ZB-H1, as ZB1P (Qi et al. 2023, arXiv 2401.10241): 1F1B with the backward split in two. Input gradients go down the
/// pipeline at once, weight gradients fill the bubble; no rank holds more activations than 1F1B's first does.
///
/// Bubble (p−1)(T_F+T_I−T_W), with T_F = T_I = T_W a third of 1F1B's. Any m ≥ 1 has a list.
enum ZeroBubbleH1: PipelineSchedule {
    static var splitsBackward: Bool { true }

    static func problem(_ shape: PipelineShape) -> String? {
        problem(shape, of: .zeroBubbleH1, virtualStages: 1)
    }

    static func lists(_ shape: PipelineShape) -> [[Action]] {
        ZeroBubbleHeuristic.lists(shape, limit: shape.ranks)
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] { lists(shape)[rank] }

    /// The hand-made variant that Sea AI Lab puts into Megatron-LM in a few lines ("quick start"): 1F1B's order, with
    /// the backward whole wherever the weight gradient would follow at once. Same makespan and peak.
    ///
    /// Rank r > 0 splits its first r backwards, the last one of the steady state and those of the cool-down.
    static func handMadeActions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let m = shape.microbatches
        let warmup = min(m, shape.ranks - 1 - rank)
        var list: [Action] = []
        list.reserveCapacity(3 * m)
        var pending: [Int] = []
        var nextPending = 0
        func weight() {
            guard nextPending < pending.count else { return }
            list.append(Action(.backwardWeight, stage: rank, microbatch: pending[nextPending]))
            nextPending += 1
        }
        for i in 0..<warmup { list.append(Action(.forward, stage: rank, microbatch: i)) }
        for i in 0..<m {
            let steady = i < m - warmup
            if steady { list.append(Action(.forward, stage: rank, microbatch: warmup + i)) }
            let last = i >= m - warmup - 1
            let splits = rank > 0 && (i < rank || last)
            list.append(Action(splits ? .backwardInput : .backward, stage: rank, microbatch: i))
            if splits { pending.append(i) }
            if last, rank > 0, i >= rank { weight() }
        }
        while nextPending < pending.count { weight() }
        return list
    }

    /// min(m, p) on every rank.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { min(shape.microbatches, shape.ranks) }

    static func peakHeadMicrobatches(_ shape: PipelineShape) -> Int { peakActivations(rank: shape.ranks - 1, shape) }

    /// mT + (p−1)(T_F+T_I−T_W) for m ≥ p, (m+p−1)(T_F+T_I) + T_W for m ≤ p.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        let transfers = 2 * (p - 1) * times.transfer
        if m < p { return (m + p - 1) * passes + times.backwardWeight + transfers }
        return m * times.whole + (p - 1) * max(0, passes - times.backwardWeight) + transfers
    }

    /// For T_W ≤ T_I without transfers.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        times.transfer == 0 && times.backwardWeight <= times.backwardInput
    }
}

/// ZB-V (Qi et al. 2023, arXiv 2401.10241, section 6; the hand-made list of Sea AI Lab and PyTorch's
/// `ScheduleZBVZeroBubble`): two stages a rank in a V, and backwards split in two. With equal times of forward, input and
/// weight gradient no rank idles between its first and last action. Every rank holds as many activations as any other.
///
/// The pattern needs 2p−1 micro-batches. The list of fewer is the list of 2p−1 with the missing micro-batches left out.
enum ZeroBubbleV: PipelineSchedule, MakespanLaw {
    static let name = "zbv"
    /// Names in PyTorch and in the paper.
    static let aliases = ["ZBVZeroBubble", "ZB-V", "ZeroBubbleV"]
    static let placement = StagePlacement.Kind.folded
    static let splitsBackward = true

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let (p, m) = (shape.ranks, shape.microbatches)
        let padded = max(2 * p - 1, m)
        var (out, back) = (Half(stage: rank), Half(stage: 2 * p - 1 - rank))
        var list: [Action] = []
        list.reserveCapacity(6 * m)
        func add(_ kind: Action.Kind, _ stage: Int, _ counter: inout Int) {
            if counter < m { list.append(Action(kind, stage: stage, microbatch: counter)) }
            counter += 1
        }
        func wholeBackward(_ half: inout Half) {
            add(.backwardInput, half.stage, &half.inputs)
            add(.backwardWeight, half.stage, &half.weights)
        }
        // Warm-up: fill the way out, then both ways, then start going back.
        for _ in 0..<(2 * (p - rank) - 1) { add(.forward, out.stage, &out.forwards) }
        for _ in 0..<rank {
            add(.forward, back.stage, &back.forwards)
            add(.forward, out.stage, &out.forwards)
        }
        for _ in 0..<(p - rank) {
            add(.forward, back.stage, &back.forwards)
            wholeBackward(&back)
        }
        while back.forwards < out.forwards || out.forwards < padded {
            if out.forwards < padded { add(.forward, out.stage, &out.forwards) }
            wholeBackward(&out)
            add(.forward, back.stage, &back.forwards)
            wholeBackward(&back)
        }
        // Cool-down: input gradients first, the weight gradients fill what would be bubble.
        for _ in 0..<rank {
            add(.backwardInput, out.stage, &out.inputs)
            add(.backwardInput, back.stage, &back.inputs)
        }
        for _ in 0..<(p - rank) { wholeBackward(&out) }
        while back.weights < back.inputs { add(.backwardWeight, back.stage, &back.weights) }
        while out.weights < out.inputs { add(.backwardWeight, out.stage, &out.weights) }
        return list
    }

    /// One of a rank's two stages, and how many micro-batches it has done.
    private struct Half {
        var stage: Int
        var forwards = 0
        var inputs = 0
        var weights = 0
    }

    /// 2p stages of half a rank's size, on every rank.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        let p = shape.ranks
        if shape.microbatches >= 2 * p - 1 { return 2 * p }
        return ActivationRelease.backwardWeight.peak(of: actions(rank: rank, shape))
    }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { .oneAtATime }

    /// 4p micro-batches, one more of an odd number: a folded or bidirectional pipeline is steady after 2p, and 2p more show
    /// how it drains.
    static func shortened(_ shape: PipelineShape) -> PipelineShape {
        var short = shape
        short.microbatches = min(shape.microbatches, 4 * shape.ranks + shape.microbatches % 2)
        return short
    }

    /// mT + (p−1)T_I/2, but at least (m+p−1)(T_F+T_I) + T_W: with fewer than 2p−1 micro-batches the missing ones leave
    /// gaps.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        let full = m * times.whole + (p - 1) * times.backwardInput / 2
        let short = (m + p - 1) * (times.forward + times.backwardInput) + times.backwardWeight
        return max(full, short) + 2 * (2 * p - 1) * times.transfer
    }

    /// Exact without transfers for T_F = T_I = T_W, and for m ≥ 2p−1 wherever T_I ≥ T_F ≥ T_W.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        guard shape.microbatches >= 2 * shape.ranks - 1 else { return DualPipeV.isExact(shape, times: times) }
        return times.transfer == 0 && times.backwardInput >= times.forward && times.forward >= times.backwardWeight
    }
}

extension ScheduleName {
    package static let zeroBubbleV = ScheduleName(of: ZeroBubbleV.self)
}

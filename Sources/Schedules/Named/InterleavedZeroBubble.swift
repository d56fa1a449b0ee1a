/// ZB1P with several stages a rank (PyTorch `ScheduleInterleavedZeroBubble`): interleaved 1F1B whose backwards are split,
/// with half its warm-up and the weight gradients r micro-batches late on rank r.
///
/// Input gradients alone pass down the pipeline, so the bubble shrinks from (p−1)(T_F+T_B)/v to (p−1)(T_F+T_I−T_W)/v.
/// Micro-batches come in the groups of interleaved 1F1B.
enum InterleavedZeroBubble: PipelineSchedule {
    static var splitsBackward: Bool { true }

    static func problem(_ shape: PipelineShape) -> String? {
        InterleavedOneForwardOneBackward.groupProblem(shape, schedule: .interleavedZeroBubble)
    }

    /// Forwards of rank r before its first input gradient: (v−1)g + p−1−r, all mv if that is fewer.
    private static func warmup(rank: Int, _ shape: PipelineShape) -> Int {
        let g = InterleavedOneForwardOneBackward.groupSize(shape)
        return min(
            shape.microbatches * shape.virtualStages, (shape.virtualStages - 1) * g + shape.ranks - 1 - rank)
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let order = InterleavedOneForwardOneBackward.forwardOrder(shape)
        let warmup = warmup(rank: rank, shape)
        func backward(_ kind: Action.Kind, _ k: Int) -> Action {
            let chunk = shape.virtualStages - 1 - order[k].chunk
            return Action(kind, stage: chunk * shape.ranks + rank, microbatch: order[k].microbatch)
        }
        var list: [Action] = []
        list.reserveCapacity(3 * order.count)
        for k in 0..<order.count + warmup {
            if k < order.count {
                list.append(
                    Action(.forward, stage: order[k].chunk * shape.ranks + rank, microbatch: order[k].microbatch))
            }
            guard k >= warmup else { continue }
            list.append(backward(.backwardInput, k - warmup))
            if k - warmup >= rank { list.append(backward(.backwardWeight, k - warmup - rank)) }
        }
        for k in max(0, order.count - rank)..<order.count { list.append(backward(.backwardWeight, k)) }
        return list
    }

    /// min(mv, (v−1)g + p) on every rank; v·p with groups of p.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        let g = InterleavedOneForwardOneBackward.groupSize(shape)
        return min(shape.microbatches * shape.virtualStages, (shape.virtualStages - 1) * g + shape.ranks)
    }

    /// min(m, p); counted in the list where the last group is a smaller one.
    static func peakHeadMicrobatches(_ shape: PipelineShape) -> Int {
        let groupsAreWhole = shape.microbatches % InterleavedOneForwardOneBackward.groupSize(shape) == 0
        return groupsAreWhole ? min(shape.microbatches, shape.ranks) : listedHeadMicrobatches(shape)
    }

    /// mT + (p−1)(T_F+T_I−T_W)/v, but at least (m+pv−1)(T_F+T_I)/v + T_W/v: a micro-batch's way through all stages.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, v, m) = (Double(shape.ranks), Double(shape.virtualStages), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        let full = m * times.whole + (p - 1) * max(0, passes - times.backwardWeight) / v
        let short = ((m + p * v - 1) * passes + times.backwardWeight) / v
        return (m < p ? max(full, short) : full) + 2 * (p * v - 1) * times.transfer
    }

    /// For m ≥ p and T_W ≤ T_I, without transfers; a lower value for some m < p.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        shape.microbatches >= shape.ranks && times.backwardWeight <= times.backwardInput && times.transfer == 0
    }
}

/// ZB1P with several stages a rank (PyTorch `ScheduleInterleavedZeroBubble`): interleaved 1F1B with split backwards and half
/// the warm-up. The weight gradients of rank r come r micro-batches after their input gradients.
///
/// Only input gradients pass down the pipeline, so the bubble shrinks from (p−1)(T_F+T_B)/v to (p−1)(T_F+T_I−T_W)/v.
/// Micro-batches pass in groups, as in interleaved 1F1B.
enum InterleavedZeroBubble: PipelineSchedule, MakespanLaw {
    static let name = "interleaved-zb"
    /// Names in PyTorch and for ZB1P.
    static let aliases = ["InterleavedZeroBubble", "Interleaved-ZB1P"]
    static let placement = StagePlacement.Kind.looped
    static let splitsBackward = true
    static let hasGroups = true

    static func brokenRule(_ shape: PipelineShape) -> String? {
        InterleavedOneForwardOneBackward.brokenGroupRule(shape, of: name)
    }

    /// Forwards of rank r before its first input gradient: min(mv, (v−1)g + p−1−r).
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

    /// min(mv, (v−1)g + p) activations on every rank: vp with groups of p.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        let g = InterleavedOneForwardOneBackward.groupSize(shape)
        return min(shape.microbatches * shape.virtualStages, (shape.virtualStages - 1) * g + shape.ranks)
    }

    /// One pending and min(m, p) in all; counted on the list where the last group is a smaller one.
    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog {
        let groupsAreWhole = shape.microbatches % InterleavedOneForwardOneBackward.groupSize(shape) == 0
        return groupsAreWhole
            ? HeadBacklog(pending: 1, deferred: min(shape.microbatches, shape.ranks) - 1) : countedHeadBacklog(shape)
    }

    static func shortened(_ shape: PipelineShape) -> PipelineShape {
        InterleavedOneForwardOneBackward.shortened(shape)
    }

    /// mT + (p−1)(T_F+T_I−T_W)/v, but at least (m+pv−1)(T_F+T_I)/v + T_W/v, a micro-batch's way through
    /// all stages.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, v, m) = (Double(shape.ranks), Double(shape.virtualStages), Double(shape.microbatches))
        let passes = times.forward + times.backwardInput
        let full = m * times.whole + (p - 1) * max(0, passes - times.backwardWeight) / v
        let short = ((m + p * v - 1) * passes + times.backwardWeight) / v
        return (m < p ? max(full, short) : full) + 2 * (p * v - 1) * times.transfer
    }

    /// Exact for m ≥ p and T_W ≤ T_I, without transfers; a lower bound for some m < p.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        shape.microbatches >= shape.ranks && times.backwardWeight <= times.backwardInput && times.transfer == 0
    }
}

extension ScheduleName {
    package static let interleavedZeroBubble = ScheduleName(of: InterleavedZeroBubble.self)
}

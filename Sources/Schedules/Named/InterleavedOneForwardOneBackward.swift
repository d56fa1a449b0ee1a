/// Interleaved 1F1B (Narayanan et al. 2021, 2.2.2). Each rank holds v stages, p apart. Micro-batches pass in groups of g:
/// all of a group through the rank's first stage, then its second, and so on.
///
/// The bubble shrinks by v, to (p−1)(T_F+T_B)/v. PyTorch (`ScheduleInterleaved1F1B`) and Megatron-LM differ only in g:
/// - PyTorch cuts the batch into max(1, ⌊m/p⌋) equal groups; m must divide by that number.
/// - Megatron-LM takes g from the user (default p), with p ≤ g ≤ m, and lets the last group be smaller as long as it
///   still has p micro-batches.
///
/// A shape without a group size gets PyTorch's g: Megatron-LM's default p wherever m is a multiple of p, and one group of m
/// where m ≤ p. A shape with a group size must obey Megatron-LM's rule.
enum InterleavedOneForwardOneBackward: PipelineSchedule, MakespanLaw {
    static let name = "interleaved-1f1b"
    /// Names in PyTorch, Megatron-LM and PaddlePaddle.
    static let aliases = ["Interleaved1F1B", "Interleaved", "1F1B-Interleaved", "Interleaving", "VPP"]
    static let placement = StagePlacement.Kind.looped
    static let splitsBackward = false
    static let hasGroups = true
    static let hasFullBubble = true
    static let fillsFirst = true

    static func brokenRule(_ shape: PipelineShape) -> String? { brokenGroupRule(shape, of: name) }

    /// The rule of the micro-batch groups, shared by the schedules that pass each group through a rank's stages in turn.
    static func brokenGroupRule(_ shape: PipelineShape, of name: String) -> String? {
        let (p, m) = (shape.ranks, shape.microbatches)
        guard let g = shape.groupSize else {
            let rounds = max(1, m / p)
            if m % rounds == 0 { return nil }
            return
                "\(name) splits its micro-batches into ⌊microbatches / ranks⌋ = \(rounds) equal groups, and "
                + "\(m) micro-batches do not divide by \(rounds): take a multiple of \(p) such as \(m - m % p) or "
                + "\(m - m % p + p), or a group size of \(smallestGroup(shape))"
        }
        let least = min(p, m)
        if g < least || g > m {
            return "\(name) needs a group size from \(least) (ranks, or all micro-batches if fewer) to \(m) "
                + "(micro-batches), not \(g)"
        }
        if m % g != 0 && m % g < p {
            return
                "\(name) with groups of \(g) leaves \(m % g) of \(m) micro-batches for the last group, which "
                + "needs none or at least \(p) (one a rank); a group size of \(smallestGroup(shape)) works"
        }
        return nil
    }

    /// The shape's group size, or the one that PyTorch takes.
    static func groupSize(_ shape: PipelineShape) -> Int {
        shape.groupSize ?? shape.microbatches / max(1, shape.microbatches / shape.ranks)
    }

    /// The smallest legal group size. One group of all micro-batches is always legal.
    private static func smallestGroup(_ shape: PipelineShape) -> Int {
        let (p, m) = (shape.ranks, shape.microbatches)
        return (min(p, m)..<m).first { m % $0 == 0 || m % $0 >= p } ?? m
    }

    /// Forwards of rank r before its first backward: min(mv, (v−1)g + 2(p−1−r)).
    private static func warmup(rank: Int, _ shape: PipelineShape) -> Int {
        min(
            shape.microbatches * shape.virtualStages,
            (shape.virtualStages - 1) * groupSize(shape) + 2 * (shape.ranks - 1 - rank))
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let order = forwardOrder(shape)
        let warmup = warmup(rank: rank, shape)
        func forward(_ k: Int) -> Action {
            Action(.forward, stage: order[k].chunk * shape.ranks + rank, microbatch: order[k].microbatch)
        }
        // Backwards go through the same order with the rank's last stage first.
        func backward(_ k: Int) -> Action {
            let chunk = shape.virtualStages - 1 - order[k].chunk
            return Action(.backward, stage: chunk * shape.ranks + rank, microbatch: order[k].microbatch)
        }
        var list: [Action] = []
        list.reserveCapacity(2 * order.count)
        for k in 0..<warmup { list.append(forward(k)) }
        for k in warmup..<order.count {
            list.append(forward(k))
            list.append(backward(k - warmup))
        }
        for k in (order.count - warmup)..<order.count { list.append(backward(k)) }
        return list
    }

    /// The forwards of any rank in order: which of the rank's stages runs which micro-batch.
    static func forwardOrder(_ shape: PipelineShape) -> [(chunk: Int, microbatch: Int)] {
        let g = groupSize(shape)
        var order: [(chunk: Int, microbatch: Int)] = []
        order.reserveCapacity(shape.microbatches * shape.virtualStages)
        for first in stride(from: 0, to: shape.microbatches, by: g) {
            for chunk in 0..<shape.virtualStages {
                for i in first..<min(first + g, shape.microbatches) { order.append((chunk, i)) }
            }
        }
        return order
    }

    /// min(mv, (v−1)g + 2(p−1−r) + 1) activations on rank r. On rank 0 with g = p these are L(1+(p−1)/(pv)) of L layers
    /// (Korthikanti et al. 2022, 4.2.3).
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        min(shape.microbatches * shape.virtualStages, warmup(rank: rank, shape) + 1)
    }

    /// One pending; counted on the list where the last group is a smaller one.
    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog {
        shape.microbatches % groupSize(shape) == 0 ? .oneAtATime : countedHeadBacklog(shape)
    }

    /// Three groups, and the smaller last one. A rank's first backward comes after at most (v−1)g + 2p forwards, and from
    /// there on the rank repeats itself every gv forwards.
    static func shortened(_ shape: PipelineShape) -> PipelineShape {
        var short = shape
        let group = groupSize(shape)
        short.microbatches = min(shape.microbatches, 3 * group + shape.microbatches % group)
        short.groupSize = group
        return short
    }

    /// m(T_F+T_B) + (p−1)(T_F+T_B)/v for m ≥ p (Narayanan et al. 2021, 2.2.2), (m+pv−1)(T_F+T_B)/v for m ≤ p, plus
    /// 2(p−1)c + (v−1)[max(0, pc − (g₁−p)T_F/v) + max(0, pc − (g₂−p)T_B/v)].
    ///
    /// g₁ is the first group and g₂ the last. A group of p micro-batches pays all p hops each time it wraps from the last
    /// rank to the first. That is 2(pv−1)c in all, whatever m is, because the long warm-up hides the transfers of the steady
    /// state. Every micro-batch that a group has beyond p gives one stage's time to hide hops in. Exact for small c.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, v, m) = (Double(shape.ranks), Double(shape.virtualStages), Double(shape.microbatches))
        let work = times.forward + times.backward
        let compute = m >= p ? m * work + (p - 1) * work / v : (m + p * v - 1) * work / v
        guard shape.ranks > 1, times.transfer > 0 else { return compute }
        let g = groupSize(shape)
        let remainder = shape.microbatches % g
        func wrap(_ group: Int, _ time: Double) -> Double {
            max(0, p * times.transfer - Double(max(0, group - shape.ranks)) * time / v)
        }
        let wraps = wrap(g, times.forward) + wrap(remainder == 0 ? g : remainder, times.backward)
        return compute + 2 * (p - 1) * times.transfer + (v - 1) * wraps
    }

    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool { true }
}

extension ScheduleName {
    package static let interleaved = ScheduleName(of: InterleavedOneForwardOneBackward.self)
}

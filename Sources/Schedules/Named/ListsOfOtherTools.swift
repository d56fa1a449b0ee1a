/// Lists in which another tool runs a schedule of ours, where its order of actions is not ours. Their time and their peak
/// of activations are the same; they are compared with the tool's own, action for action.
package enum ListsOfOtherTools {
    /// GPipe as torchgpipe runs it: the latest forward's backward first.
    package static func torchgpipe(_ shape: PipelineShape) -> [[Action]] {
        GPipe.lists(shape).map { list in
            list.prefix(shape.microbatches) + list.suffix(shape.microbatches).reversed()
        }
    }

    /// ZB-H1 as the few lines that Sea AI Lab adds to Megatron-LM ("quick start") run it: 1F1B's order, with the backward
    /// whole wherever the weight gradient would follow at once.
    ///
    /// Rank r > 0 splits its first r backwards, the last one of the steady state and those of the cool-down.
    package static func zeroBubbleQuickStart(_ shape: PipelineShape) -> [[Action]] {
        (0..<shape.ranks).map { zeroBubbleQuickStart(rank: $0, shape) }
    }

    private static func zeroBubbleQuickStart(rank: Int, _ shape: PipelineShape) -> [Action] {
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

    /// ZB-V as Sea AI Lab's automatic scheduler makes it for equal times: the steady state of the hand-made list, with half
    /// its bubble at m = p.
    package static func automaticZeroBubbleV(_ shape: PipelineShape) -> [[Action]] { ZeroBubbleVHeuristic.lists(shape) }
}

/// Micro-batches that wait on the last stage for their backward. The stage holds their logits or the gradients of these.
package struct HeadBacklog: Hashable, Sendable {
    /// Most micro-batches between their forward and their backward (its input gradient, where the backward is split):
    /// their logits are held.
    package var pending: Int
    /// How many more there are with those between the two halves of a split backward: gradients of their logits are held.
    package var deferred: Int

    package init(pending: Int, deferred: Int = 0) {
        self.pending = pending
        self.deferred = deferred
    }

    /// Every micro-batch's backward follows its forward at once, and whole.
    package static var oneAtATime: HeadBacklog { HeadBacklog(pending: 1) }
}

extension PipelineSchedule {
    /// The backlog counted on the lists of a shortened run.
    static func countedHeadBacklog(_ shape: PipelineShape) -> HeadBacklog {
        let short = shortened(shape)
        let placement = stagePlacement(short)
        let last = placement.stages - 1
        var backlog = HeadBacklog(pending: 0)
        for stageToRank in [placement.stageToRank, placement.reverseStageToRank].compactMap(\.self) {
            let ofHead = actions(rank: stageToRank[last], short).flatMap(\.parts).filter { $0.stage == last }
            let pending = ActivationRelease.backwardInput.peak(of: ofHead)
            let all = ActivationRelease.backwardWeight.peak(of: ofHead)
            backlog.pending = max(backlog.pending, pending)
            backlog.deferred = max(backlog.deferred, all - pending)
        }
        return backlog
    }
}

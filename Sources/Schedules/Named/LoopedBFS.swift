/// Breadth-first pipeline (Lamy-Poirier 2022, arXiv 2211.05953; PyTorch `ScheduleLoopedBFS`): all micro-batches through
/// the rank's first stage, then all through its second, and so on. The backwards come in reverse order.
///
/// Fully sharded parameters are gathered once a stage instead of once a micro-batch: that is its purpose. The bubble is
/// that of interleaved 1F1B. As in GPipe, every activation is held at the turn.
enum LoopedBFS: PipelineSchedule, MakespanLaw {
    static let name = "looped-bfs"
    /// Names in PyTorch and in Lamy-Poirier 2022.
    static let aliases = ["LoopedBFS", "BFS", "Breadth-First", "BreadthFirstPP"]
    static let placement = StagePlacement.Kind.looped
    static let splitsBackward = false
    static let forwardsFirst = true

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let (p, m) = (shape.ranks, shape.microbatches)
        let stages = stride(from: rank, to: p * shape.virtualStages, by: p)
        var list: [Action] = []
        list.reserveCapacity(2 * m * shape.virtualStages)
        for stage in stages {
            for i in 0..<m { list.append(Action(.forward, stage: stage, microbatch: i)) }
        }
        for stage in stages.reversed() {
            for i in (0..<m).reversed() { list.append(Action(.backward, stage: stage, microbatch: i)) }
        }
        return list
    }

    /// mv activations on every rank.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        shape.microbatches * shape.virtualStages
    }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { HeadBacklog(pending: shape.microbatches) }

    /// The law of interleaved 1F1B with one group of all micro-batches: m(T_F+T_B) + (p−1)(T_F+T_B)/v for m ≥ p,
    /// (m+pv−1)(T_F+T_B)/v for m ≤ p.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        var oneGroup = shape
        oneGroup.groupSize = shape.microbatches
        return InterleavedOneForwardOneBackward.makespan(oneGroup, times: times)
    }

    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool { true }
}

extension ScheduleName {
    package static let loopedBFS = ScheduleName(of: LoopedBFS.self)
}

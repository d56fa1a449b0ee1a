/// Breadth-first pipeline (Lamy-Poirier 2022, arXiv 2211.05953; PyTorch `ScheduleLoopedBFS`): all micro-batches through
/// the rank's first stage, then all through its second, and the backwards the same way round, latest forward first.
///
/// The bubble is that of interleaved 1F1B, but as in GPipe every activation is held at the turn. What it is for:
/// sharded parameters are gathered once a stage instead of once a micro-batch.
enum LoopedBFS: PipelineSchedule {
    static func problem(_ shape: PipelineShape) -> String? {
        shape.groupSize == nil ? nil : "looped-bfs has no micro-batch groups; leave the group size out"
    }

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

    /// mv on every rank.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        shape.microbatches * shape.virtualStages
    }

    static func peakHeadMicrobatches(_ shape: PipelineShape) -> Int { shape.microbatches }

    /// That of interleaved 1F1B with one group of all micro-batches: m(T_F+T_B) + (p−1)(T_F+T_B)/v for m ≥ p,
    /// (m+pv−1)(T_F+T_B)/v for m ≤ p, exact.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        var oneGroup = shape
        oneGroup.groupSize = shape.microbatches
        return InterleavedOneForwardOneBackward.makespan(oneGroup, times: times)
    }
}

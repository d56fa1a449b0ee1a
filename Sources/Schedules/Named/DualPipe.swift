/// DualPipe (DeepSeek-V3 report, arXiv 2412.19437, 3.2.1; DeepSeek `dualpipe.py`): micro-batches enter at both ends of
/// the pipeline, half of them each, and every rank fuses a forward of one direction with a backward of the other.
///
/// Every rank holds two stages, one of each direction, so two copies of the parameters exist; there are only p stages.
/// Micro-batches 0 ..< m/2 travel from rank 0 on, the others from the last rank. Takes an even number of ranks and an
/// even number of micro-batches, at least 2p.
enum DualPipe: PipelineSchedule {
    static var splitsBackward: Bool { true }

    static func problem(_ shape: PipelineShape) -> String? {
        if let rule = problem(shape, of: .dualPipe, virtualStages: 2) { return rule }
        let (p, m) = (shape.ranks, shape.microbatches)
        if p % 2 != 0 {
            return "dualpipe needs an even number of ranks, not \(p): its two directions meet in the middle"
        }
        if m % 2 != 0 { return "dualpipe needs an even number of micro-batches, not \(m): half go each way" }
        if m < 2 * p { return "dualpipe needs at least 2 · ranks = \(2 * p) micro-batches, not \(m)" }
        return nil
    }

    static func placement(_ shape: PipelineShape) -> StagePlacement {
        .bidirectional(ranks: shape.ranks, split: shape.microbatches / 2)
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let (p, half) = (shape.ranks, shape.microbatches / 2)
        let down = DualPipeSteps.Stream(stage: rank, firstMicrobatch: 0)
        let up = DualPipeSteps.Stream(stage: p - 1 - rank, firstMicrobatch: half)
        let inFirstHalf = rank < p / 2
        return DualPipeSteps.actions(
            depth: min(rank, p - 1 - rank), ranks: p / 2, microbatches: half, near: inFirstHalf ? down : up,
            far: inFirstHalf ? up : down)
    }

    /// p+1 on every rank (DeepSeek's table).
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { shape.ranks + 1 }

    /// mT + (p/2−1)(F&B + B − 3W) with F&B = F+B, with the times of one stage (DeepSeek's table): a
    /// micro-batch meets a rank once.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let bubble = times.forward + 2 * times.backward - 3 * times.backwardWeight
        return Double(shape.microbatches) * times.whole + Double(shape.ranks / 2 - 1) * bubble
            + 2 * Double(shape.ranks - 1) * times.transfer
    }

    /// For T_F = T_I = T_W without transfers; an upper value with other costs.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        DualPipeV.isExact(shape, times: times)
    }
}

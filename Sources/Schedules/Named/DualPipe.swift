/// DualPipe (DeepSeek-V3 report, arXiv 2412.19437, 3.2.1; DeepSeek `dualpipe.py`): micro-batches enter at both ends of
/// the pipeline, half of them each, and every rank fuses a forward of one direction with a backward of the other.
///
/// There are p stages and two copies of each: every rank holds two stages, one of each direction. Micro-batches 0 ..< m/2
/// enter at rank 0, the others at the last rank. The number of ranks must be even, and the number of micro-batches even
/// and at least 2p.
enum DualPipe: PipelineSchedule, MakespanLaw {
    static let name = "dualpipe"
    static let aliases = ["DualPipe"]
    static let placement = StagePlacement.Kind.bidirectional
    static let splitsBackward = true

    static func brokenRule(_ shape: PipelineShape) -> String? {
        let (p, m) = (shape.ranks, shape.microbatches)
        if p % 2 != 0 {
            return "dualpipe needs an even number of ranks, not \(p): its two directions meet in the middle"
        }
        if m % 2 != 0 { return "dualpipe needs an even number of micro-batches, not \(m): half go each way" }
        if m < 2 * p { return "dualpipe needs at least 2 · ranks = \(2 * p) micro-batches, not \(m)" }
        return nil
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

    /// p+1 activations on every rank (DeepSeek's table).
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { shape.ranks + 1 }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { .oneAtATime }

    static func shortened(_ shape: PipelineShape) -> PipelineShape { ZeroBubbleV.shortened(shape) }

    /// mT + (p/2−1)(F&B + B − 3W) with F&B = F+B (DeepSeek's table). A micro-batch meets a rank once, so the times are those
    /// of one stage.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let bubble = times.forward + 2 * times.backward - 3 * times.backwardWeight
        return Double(shape.microbatches) * times.whole + Double(shape.ranks / 2 - 1) * bubble
            + 2 * Double(shape.ranks - 1) * times.transfer
    }

    /// Exact for T_F = T_I = T_W without transfers; an upper bound with other times.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        DualPipeV.isExact(shape, times: times)
    }
}

extension ScheduleName {
    package static let dualPipe = ScheduleName(of: DualPipe.self)
}

extension ScheduleName {
    /// A run of as few micro-batches as hold every moment of the run of `shape`: what ranks hold at once, by stage,
    /// repeats once they work steadily. The shape must have no problem.
    ///
    /// - Groups of micro-batches (interleaved schedules): a rank's first backward comes at most (v−1)g + 2p forwards in,
    ///   and its stages then take turns every gv, so three groups hold them all; a smaller last group comes after those.
    /// - ZB-H1 and ZB-H2 are steady after at most 2p − 1 forwards, and their weight gradients follow at most as many
    ///   micro-batches late.
    /// - Folded and bidirectional schedules: they are steady after 2p micro-batches, and 2p more (in units of p for
    ///   Chimera) hold their drain.
    package func shortened(_ shape: PipelineShape) -> PipelineShape {
        var short = shape
        let (p, m) = (shape.ranks, shape.microbatches)
        switch self {
        case .interleaved, .interleavedZeroBubble:
            let group = InterleavedOneForwardOneBackward.groupSize(shape)
            short.microbatches = min(m, 3 * group + m % group)
            short.groupSize = group
        case .zeroBubbleV, .vHalf, .vMin, .dualPipe, .dualPipeV:
            short.microbatches = min(m, 4 * p + m % 2)
        case .zeroBubbleH1, .zeroBubbleH2:
            short.microbatches = min(m, 4 * p)
        case .chimera:
            short.microbatches = min(m, 2 * p + m % p)
        case .gpipe, .oneForwardOneBackward, .loopedBFS: break
        }
        return short
    }
}

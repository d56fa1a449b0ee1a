package import Plans
package import Schedules

/// The seconds of one step, and their breakdown.
package struct IterationTime: Hashable, Sendable {
    package var seconds: Double { breakdown.sum }
    package var breakdown = StepBreakdown()
    /// Idle fraction of the pipeline's rank-seconds.
    package var bubbleFraction = 0.0
    /// The pipeline rank with the most work.
    package var bottleneck = 0
    /// Seconds of all passes of the step in the pipeline.
    package var pipeline = PipelineSeconds()
    /// Transfers that overlap with compute (`Estimate.Iteration.hides`).
    package var hides = Layout.Overlap()

    /// Time of a step by closed form: the schedule's law for equal stages at the pace of the slowest rank, with filling
    /// and draining scaled to the times of the other ranks.
    ///
    /// The closed form is exact for equal stages; docs/cost-model.md states its difference from the simulator for
    /// uneven ones.
    package init(_ work: LayoutWork) {
        let slowest = SlowestRank(work)
        let times = slowest.times
        let spans = PipelineSpans(
            work.layout.schedule, work.shape, overlapsTransfer: work.layout.overlap.pipeline, transfer: work.flight,
            work: slowest.allRanks, forward: times.forward.total, backward: times.backward.total,
            weight: times.weightGradient)
        self.init(work, slowest: slowest, PipelineSeconds(filled: spans.filled, span: spans.span))
    }

    /// Time of a step whose simulated pipeline takes `span` seconds with messages and `filled` seconds without them.
    package init(_ work: LayoutWork, filled: Double, span: Double) {
        var pipeline = PipelineSeconds(filled: filled, span: span)
        pipeline.isSimulated = true
        self.init(work, slowest: SlowestRank(work), pipeline)
    }

    private init(_ work: LayoutWork, slowest: SlowestRank, _ pipeline: PipelineSeconds) {
        let count = Double(work.m)
        let times = slowest.times
        let (forward, backward) = (times.forward, times.backward)
        let (filled, span) = (pipeline.filled, pipeline.span)
        let update = OptimizerTime(work)
        bottleneck = slowest.rank
        hides = work.hides
        self.pipeline = pipeline
        breakdown.compute = count * (forward.compute + backward.compute)
        breakdown.recompute = count * (forward.recompute + backward.recompute)
        breakdown.tensorComm = count * (forward.tensor + backward.tensor)
        breakdown.contextComm = count * (forward.context + backward.context)
        breakdown.expertComm = count * (forward.expert + backward.expert)
        breakdown.pipelineBubble = pipeline.waiting(filled - count * times.total)
        breakdown.pipelineComm = pipeline.waiting(span - filled) + count * (forward.pipeline + backward.pipeline)
        breakdown.dataComm = count * (forward.data + backward.data) + DataParallelTime(work).exposed
        breakdown.optimizer = update.seconds
        if work.layout.offload != nil { breakdown.hostComm = count * (forward.offload + backward.offload) }
        breakdown.other =
            count * (forward.host + backward.host) + update.gradientNorm + WaitingTime(work).seconds
            + work.framework.hostStep
        bubbleFraction =
            span > 0 ? pipeline.waiting(span - count * slowest.allRanks / Double(work.p)) / span : 0
    }
}

/// The rank with the most work for one micro-batch, and its times.
private struct SlowestRank {
    let rank: Int
    let times: UnitTimes
    /// Seconds of all ranks together for one micro-batch.
    let allRanks: Double

    init(_ work: LayoutWork) {
        let times = work.shares.kinds.enumerated().map { work.on(kind: $0).times(of: $1.share) }
        var (sum, most, bottleneck) = (0.0, -1.0, 0)
        for (rank, kind) in work.shares.kindOfRank.enumerated() {
            let total = times[kind].total
            sum += total
            if total > most { (most, bottleneck) = (total, rank) }
        }
        (rank, allRanks) = (bottleneck, sum)
        self.times = times[work.shares.kindOfRank[bottleneck]]
    }
}

extension ActionCosts {
    /// Seconds of every action of a layout's schedule, as input of the simulator.
    package init(_ work: LayoutWork) {
        let stages = work.layers.indices.map(work.stage)
        self.init(
            forward: stages.map(\.forward.total),
            backwardInput: stages.map { $0.backward.total - $0.weightGradient },
            backwardWeight: stages.map(\.weightGradient), backward: stages.map(\.backward.total),
            transfer: work.flight, transferMode: work.layout.overlap.pipeline ? .asynchronous : .blocking,
            vocabulary: work.divided?.costs)
        transfers = work.mixed?.flights
    }
}

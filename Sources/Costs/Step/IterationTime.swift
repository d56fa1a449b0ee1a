package import Plans
package import Schedules

/// The time of one iteration in plain numbers.
package struct IterationTime: Hashable, Sendable {
    package var seconds: Double { breakdown.sum }
    package var breakdown = Estimate.Breakdown()
    /// Idle share of the pipeline's rank-seconds.
    package var bubbleFraction = 0.0
    /// The pipeline rank with the most work.
    package var bottleneck = 0
    /// What the pipeline takes.
    package var pipeline = Estimate.Pipeline()
    /// What is hidden (`Estimate.Iteration.hides`).
    package var hides = Layout.Overlap()
}

/// Seconds of the pipeline by its schedule's law, without transfers and with them.
struct PipelineSpans {
    var filled: Double
    var span: Double

    /// - Parameters:
    ///   - work: of all ranks together for one micro-batch.
    ///   - forward: of the slowest rank for one micro-batch; `backward` and `weight` (the part of the backward that only
    ///     weight gradients need) likewise.
    @inline(__always)
    init(
        _ schedule: ScheduleName, _ shape: PipelineShape, overlapsTransfer: Bool, transfer: Double, work: Double,
        forward: Double, backward: Double, weight: Double
    ) {
        let (p, slowest) = (shape.ranks, forward + backward)
        let busy = Double(shape.microbatches) * slowest
        (filled, span) = (busy, busy)
        guard p > 1 else { return }
        var uniform = UniformTimes(forward: forward, backward: backward, backwardWeight: weight)
        let still = schedule.makespan(shape, times: uniform)
        filled = busy + (still - busy) * (work - slowest) / (Double(p - 1) * slowest)
        var waiting = uniform
        uniform.transfer = transfer
        // Where the sender waits every stage's passes are longer by a message.
        waiting.forward += Double(shape.virtualStages) * transfer
        waiting.backward += Double(shape.virtualStages) * transfer
        var moved = schedule.makespan(shape, times: overlapsTransfer ? uniform : waiting)
        if overlapsTransfer, schedule.makespanSource == .estimate {
            // The estimate for few micro-batches is too high: messages delay nobody by more than waiting for them would.
            moved = min(moved, schedule.makespan(shape, times: waiting))
        }
        span = filled + max(0, moved - still)
    }
}

extension LayoutWork {
    /// What the simulator needs to time the layout's schedule.
    package var actionCosts: ActionCosts {
        let stages = layers.indices.map(stage)
        return ActionCosts(
            forward: stages.map(\.forward.total),
            backwardInput: stages.map { $0.backward.total - $0.weightGradient },
            backwardWeight: stages.map(\.weightGradient), backward: stages.map(\.backward.total),
            transfer: flight, transferMode: layout.overlap.pipeline ? .asynchronous : .blocking)
    }

    /// Time of one iteration by closed form: the schedule's law for equal stages at the slowest rank's pace, its
    /// filling and draining scaled to what the other ranks really take.
    ///
    /// Exact with equal stages; with uneven ones see docs/cost-model.md for how far it is from the simulator.
    package func iterationTime() -> IterationTime {
        let (sum, slowest, bottleneck) = slowestRank
        let spans = PipelineSpans(
            layout.schedule, shape, overlapsTransfer: layout.overlap.pipeline, transfer: flight, work: sum,
            forward: slowest.forward.total, backward: slowest.backward.total, weight: slowest.weightGradient)
        return iterationTime(
            bottleneck: slowest, rank: bottleneck, work: sum, filled: spans.filled, span: spans.span)
    }

    /// Time of one iteration whose pipeline takes `span` seconds (simulated, with transfers) and `filled` seconds
    /// without them.
    package func iterationTime(filled: Double, span: Double) -> IterationTime {
        let (sum, slowest, bottleneck) = slowestRank
        var time = iterationTime(bottleneck: slowest, rank: bottleneck, work: sum, filled: filled, span: span)
        time.pipeline.isSimulated = true
        return time
    }

    /// Seconds of a step in which the pipeline waits for the slowest node. Messages are no slower there.
    package var waitingSeconds: Double {
        let waiting = slowestWaiting
        return Double(m) * (waiting.pace - waiting.most)
    }

    /// The pace of the slowest node and the seconds of the rank with the most work, for one micro-batch; and what sets
    /// the pace: the seconds of its ranks, on how many nodes they are.
    var slowestWaiting: (pace: Double, most: Double, seconds: Double, nodes: Int) {
        let nodes = SlowestNode(pricer.plan, pipeline: p, variation: rates.framework.nodeVariation)
        var waiting = (pace: 0.0, most: 0.0, seconds: 0.0, nodes: 1)
        for kind in shares.kinds {
            let seconds = times(of: kind.share).withoutMessages
            let pace = nodes.pace(waiting.pace, or: seconds, ranks: kind.count)
            if pace > waiting.pace { (waiting.seconds, waiting.nodes) = (seconds, nodes.count(ranks: kind.count)) }
            waiting.pace = pace
            waiting.most = max(waiting.most, seconds)
        }
        return waiting
    }

    /// Work of all ranks for one micro-batch, and the rank with the most of it.
    private var slowestRank: (sum: Double, slowest: UnitTimes, rank: Int) {
        let times = shares.kinds.map { self.times(of: $0.share) }
        var (sum, slowest, bottleneck) = (0.0, -1.0, 0)
        for (rank, kind) in shares.kindOfRank.enumerated() {
            let total = times[kind].total
            sum += total
            if total > slowest { (slowest, bottleneck) = (total, rank) }
        }
        return (sum, times[shares.kindOfRank[bottleneck]], bottleneck)
    }

    private func iterationTime(
        bottleneck times: UnitTimes, rank: Int, work: Double, filled: Double, span: Double
    ) -> IterationTime {
        let count = Double(m)
        let (forward, backward) = (times.forward, times.backward)
        var result = IterationTime()
        result.bottleneck = rank
        result.hides = hides
        result.pipeline = Estimate.Pipeline(filled: filled, span: span)
        result.breakdown.compute = count * (forward.compute + backward.compute)
        result.breakdown.recompute = count * (forward.recompute + backward.recompute)
        result.breakdown.tensorComm = count * (forward.tensor + backward.tensor)
        result.breakdown.contextComm = count * (forward.context + backward.context)
        result.breakdown.expertComm = count * (forward.expert + backward.expert)
        result.breakdown.pipelineBubble = max(0, filled - count * times.total)
        result.breakdown.pipelineComm = max(0, span - filled) + count * (forward.pipeline + backward.pipeline)
        result.breakdown.dataComm = count * (forward.data + backward.data) + dataExposed
        result.breakdown.optimizer = optimizerSeconds
        result.breakdown.other =
            count * (forward.host + backward.host) + gradientNormSeconds + waitingSeconds
            + rates.framework.hostStep
        result.bubbleFraction = span > 0 ? max(0, 1 - count * work / (Double(p) * span)) : 0
        return result
    }
}

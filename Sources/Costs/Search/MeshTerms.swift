internal import Plans
internal import Schedules

/// The part of a step's time that depends on parameter sharding only, not on the micro-batch.
struct StateTerms: Sendable {
    /// Seconds of a step outside the pipeline that nothing changes.
    var fixed = 0.0
    /// Whether its kinds of rank reduce gradients when their passes are done.
    var reduces = false
    /// Where the bytes and reductions of its kinds of rank start.
    var firstKind = 0

    init() {}

    init(_ work: LayoutWork, firstKind: Int) {
        fixed =
            work.tiedEmbeddingSeconds + work.copiesSeconds + work.optimizerSeconds + work.gradientNormSeconds
            + work.rates.framework.hostStep
        reduces = work.reducesGradients
        self.firstKind = firstKind
    }
}

/// What one kind of rank holds, whatever the micro-batch.
struct KindState: Sendable {
    /// Weights, gradients, optimizer and what lies outside the allocator.
    var bytes: Double
    var reduction: Reduction
}

/// What one kind of rank does with one micro-batch.
struct KindPass: Sendable {
    var forward = 0.0
    var backward = 0.0
    /// Both, without what messages cost.
    var work = 0.0
    var activations = 0.0
}

/// The part of a layout's price that depends on the micro-batch and on how tensor and context ranks cut it.
struct PassTerms: Sendable {
    /// Seconds of one part of a stage.
    struct Part: Sendable {
        var forward: Double
        var backward: Double
        var weight: Double

        init(_ times: UnitTimes) {
            forward = times.forward.total
            backward = times.backward.total
            weight = times.weightGradient
        }
    }

    let block: Part
    let mixture: Part
    let plain: Part
    let plainMixture: Part
    let embedding: Part
    let head: Part
    /// Host work of one pass through one stage.
    let host: Double
    /// Compute lost to one message, and the rest of its time.
    let message: Double
    let transfer: Double
    let overlapsTransfer: Bool
    let nodes: SlowestNode
    /// One plus the allocator's losses.
    let losses: Double
    /// Activations of one micro-batch where backwards are whole, and where their weight gradients are put off.
    let memory: ActivationTerms
    let splitMemory: ActivationTerms

    init(_ work: LayoutWork) {
        let units = work.units
        block = Part(units.block)
        mixture = Part(units.mixtureBlock)
        plain = Part(units.plainBlock)
        plainMixture = Part(units.plainMixtureBlock)
        embedding = Part(units.embedding)
        head = Part(units.head)
        host = work.host
        overlapsTransfer = work.layout.overlap.pipeline
        transfer = work.flight
        message = work.messageLoss
        nodes = SlowestNode(work.pricer.plan, pipeline: work.p, variation: work.rates.framework.nodeVariation)
        losses = 1 + work.fragmentation
        memory = work.activationTerms(isSplit: false)
        splitMemory = work.activationTerms(isSplit: true)
    }

    /// Seconds of the pipeline, whatever the sharding: compute, bubble, messages and waiting for the slowest node. What
    /// each kind of rank does is written to `passes`.
    @inline(__always)
    func pipeline(
        _ entry: PipelineTable.Entry, kinds: UnsafeBufferPointer<PipelineShares.Kind>,
        held: UnsafeBufferPointer<HeldBlocks>, bounds: UnsafeBufferPointer<Int>,
        passes: UnsafeMutableBufferPointer<KindPass>
    ) -> Double {
        var (sum, most, pace, mostStill) = (0.0, -1.0, 0.0, 0.0)
        var (forward, backward, weight) = (0.0, 0.0, 0.0)
        var terms = entry.schedule.splitsBackward ? splitMemory : memory
        // Where all blocks are recomputed alike.
        if !entry.isPartial { terms.isPartial = false }
        for index in 0..<entry.kinds {
            let kind = kinds[entry.firstKind + index]
            let times = rank(kind.share, isPartial: entry.isPartial, passShare: entry.passShare)
            let total = times.forward + times.backward
            sum += Double(kind.count) * total
            let still = total - kind.share.messages * message
            pace = nodes.pace(pace, or: still, ranks: kind.count)
            mostStill = max(mostStill, still)
            if total > most { (most, forward, backward, weight) = (total, times.forward, times.backward, times.weight) }
            let kept = terms.fullest(held[bounds[entry.firstBound + index]..<bounds[entry.firstBound + index + 1]])
            let whole = terms.activations(of: kind.share, kept: kept, logits: entry.logits)
            passes[index] = KindPass(
                forward: times.forward, backward: times.backward, work: still,
                activations: losses
                    * (whole + terms.buffers(of: kind.share, logits: entry.logits, isBidirectional: entry.passShare < 1))
            )
        }
        let spans = PipelineSpans(
            entry.schedule, entry.shape, overlapsTransfer: overlapsTransfer, transfer: transfer, work: sum,
            forward: forward, backward: backward, weight: weight)
        let busy = Double(entry.shape.microbatches) * most
        return busy + max(0, spans.filled - busy) + max(0, spans.span - spans.filled)
            + Double(entry.shape.microbatches) * (pace - mostStill)
    }

    /// One micro-batch on a rank: `LayoutWork.times(of:)` summed up.
    @inline(__always)
    private func rank(
        _ share: PipelineShares.Rank, isPartial: Bool, passShare: Double
    ) -> (forward: Double, backward: Double, weight: Double) {
        var (forward, backward, weight) = (0.0, 0.0, 0.0)
        @inline(__always)
        func add(_ count: Int, _ part: Part) {
            forward += Double(count) * part.forward
            backward += Double(count) * part.backward
            weight += Double(count) * part.weight
        }
        let dense = share.layers - share.mixtures
        if isPartial {
            add(dense - share.recomputed, plain)
            add(share.recomputed, block)
            if share.mixtures > 0 {
                add(share.mixtures - share.recomputedMixtures, plainMixture)
                add(share.recomputedMixtures, mixture)
            }
        } else {
            add(dense, block)
            if share.mixtures > 0 { add(share.mixtures, mixture) }
        }
        if share.holdsEmbedding { add(1, embedding) }
        if share.holdsHead { add(1, head) }
        let launches = Double(share.passes) * host
        return (
            passShare * forward + launches + share.forwardMessages * message,
            passShare * backward + launches + (share.messages - share.forwardMessages) * message, passShare * weight
        )
    }
}

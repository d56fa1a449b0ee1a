internal import Plans
internal import Schedules

/// The part of a step's time that depends on parameter sharding only, not on the micro-batch.
struct StateTerms: Sendable {
    /// Seconds of a step outside the pipeline that do not depend on the duration of its passes.
    var fixed = 0.0
    /// Whether ranks reduce gradients after their passes.
    var reduces = false
    /// Index of the first `KindState`. There is one for each kind of rank, in order.
    var firstKind = 0

    init() {}

    init(_ work: LayoutWork, firstKind: Int) {
        let update = OptimizerTime(work)
        fixed =
            PairedGradients.tiedTableSeconds(work) + PairedGradients.copiesSeconds(work)
            + OuterWeights.seconds(work) + update.seconds
            + update.gradientNorm + work.framework.hostStep
        reduces = GradientExchange.followsPasses(work)
        self.firstKind = firstKind
    }
}

/// Memory and reduction of one kind of rank, as far as they do not depend on the micro-batch.
struct KindState: Sendable {
    /// Bytes of weights, gradients and optimizer state, of buffers for gathered layers with the allocator's losses on
    /// them, and of memory that the allocator never sees.
    var bytes: Double
    var reduction: Reduction

    init(of share: PipelineShares.Rank, _ work: LayoutWork) {
        bytes =
            StateMemory(of: share, work).total + StateMemory.outside(work)
            + (1 + work.framework.fragmentation) * StateMemory.gathered(by: share, work)
        reduction = Reduction(of: share, work)
    }
}

/// Seconds and activations of one micro-batch on one kind of rank.
struct KindPass: Sendable {
    var forward = 0.0
    var backward = 0.0
    /// Seconds of forward and backward without the compute lost to messages.
    var work = 0.0
    /// Bytes of activations and buffers, with the allocator's losses.
    var activations = 0.0
}

/// Activations of one micro-batch. They do not depend on the sharding of parameters.
struct PassActivations: Sendable {
    /// Under schedules with whole backwards.
    let whole: ActivationTerms
    /// Under schedules that split backwards.
    let split: ActivationTerms

    init(_ work: LayoutWork) {
        let tensors = ActivationTerms.tensors(work)
        whole = ActivationTerms(work, tensors, isSplit: false)
        split = ActivationTerms(work, tensors, isSplit: true)
    }
}

/// Terms of the passes of one mesh on one software that a search has computed. Layouts with different shardings share them.
struct KnownPasses {
    private struct Key: Hashable {
        var microbatch: Int
        var sequenceParallel: Bool
        var recompute: Layout.Recompute
    }

    let insides: KnownInsides
    private var activations: [Key: PassActivations] = [:]
    private var software = ""
    /// `SlowestNode.slowest` of 0, 1, … ranks.
    private(set) var slowest: [Double] = []

    init(insides: KnownInsides) { self.insides = insides }

    /// Forgets everything: another mesh begins.
    mutating func removeAll() {
        activations.removeAll(keepingCapacity: true)
        insides.removeAll()
    }

    /// Passes of pipelines of as many ranks begin. Forgets everything if they run on other software than the ones before:
    /// where none is named, some shardings run on their own.
    mutating func begin(_ plan: Plan, ranks: Int, on framework: Framework) {
        if framework.name != software { removeAll() }
        software = framework.name
        let nodes = SlowestNode(plan, pipeline: ranks, variation: framework.nodeVariation)
        slowest = (0...ranks).map(nodes.slowest)
    }

    mutating func activations(of work: LayoutWork) -> PassActivations {
        let key = Key(
            microbatch: work.layout.microbatch, sequenceParallel: work.layout.sequenceParallel,
            recompute: work.layout.recompute)
        if let known = activations[key] { return known }
        let found = PassActivations(work)
        activations[key] = found
        return found
    }
}

/// The part of a layout's price that depends on the micro-batch and on its division among tensor and context ranks.
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

    /// What is the same for all blocks.
    struct Ends: Sendable {
        var embedding: Part
        var head: Part
        /// Host work of one pass through one stage.
        var host: Double
        /// Seconds of compute that one message costs.
        var message: Double
        /// Seconds of a message beyond the compute that it costs.
        var transfer: Double
        var overlapsTransfer: Bool
        /// One plus the allocator's losses as a fraction.
        var losses: Double

        init(_ work: LayoutWork) {
            embedding = Part(work.units.embedding)
            head = Part(work.units.head)
            host = work.host
            overlapsTransfer = work.layout.overlap.pipeline
            transfer = work.flight
            message = work.messageLoss
            losses = 1 + work.framework.fragmentation
        }
    }

    /// Parts of the blocks in the order of `HeldBlocks.numbers`: of each kind one that is not recomputed, and one that
    /// is if only some blocks are.
    private let blocks: [Part]
    /// Parts of the blocks in the order of `HeldBlocks.numbers`, if all blocks are recomputed or none is.
    private let uniform: [Part]
    private let ends: Ends
    private let activations: PassActivations
    /// `SlowestNode.slowest` of 0, 1, … ranks.
    private let slowest: [Double]

    init(_ work: LayoutWork, _ activations: PassActivations, slowest: [Double]) {
        self.activations = activations
        self.slowest = slowest
        let units = work.units
        blocks = zip(units.plainBlocks, units.blocks).flatMap { [Part($0), Part($1)] }
        uniform = units.blocks.flatMap { [Part($0), Part($0)] }
        ends = Ends(work)
    }

    /// Calls `body` with the terms where they lie.
    func withNumbers(_ body: (PassNumbers) -> Void) {
        _ = activations.whole.withNumbers { memory in
            activations.split.withNumbers { splitMemory in
                withUnsafePointers(blocks, uniform) { blocks, uniform in
                    slowest.withUnsafeBufferPointer { slowest in
                        body(
                            PassNumbers(
                                parts: self.blocks.count, blocks: blocks, uniform: uniform, slowest: slowest,
                                ends: ends,
                                memory: memory, splitMemory: splitMemory))
                    }
                }
            }
        }
    }
}

/// The figures of `PassTerms` where they lie, so that the inner loop of a search reads them without counting references.
struct PassNumbers {
    /// Number of `blocks`, and of `uniform`.
    let parts: Int
    let blocks: UnsafePointer<PassTerms.Part>
    let uniform: UnsafePointer<PassTerms.Part>
    let slowest: UnsafeBufferPointer<Double>
    let ends: PassTerms.Ends
    let memory: ActivationNumbers
    let splitMemory: ActivationNumbers

    /// Seconds of the pipeline, which do not depend on sharding: compute, bubble, messages and waiting for the slowest
    /// node. The times and activations of each kind of rank are written to `passes`.
    @inline(__always)
    func pipeline(
        _ entry: PipelineTable.Entry, kinds: UnsafeBufferPointer<PipelineTable.KindNumbers>,
        counts: UnsafePointer<Double>, held: UnsafePointer<Double>, bounds: UnsafeBufferPointer<Int>,
        passes: UnsafeMutableBufferPointer<KindPass>
    ) -> Double {
        var (sum, most, pace, mostStill) = (0.0, -1.0, 0.0, 0.0)
        var (forward, backward, weight) = (0.0, 0.0, 0.0)
        let terms = entry.schedule.splitsBackward ? splitMemory : memory
        let stride = 2 * parts + 1
        for index in 0..<entry.kinds {
            let kind = kinds[entry.firstKind + index]
            let counts = counts + (entry.firstKind + index) * stride
            let times = rank(kind, counts, isPartial: entry.isPartial, passShare: entry.passShare)
            let total = times.forward + times.backward
            sum += Double(kind.count) * total
            let still = total - kind.messages * ends.message
            pace = max(pace, still * slowest[kind.count])
            mostStill = max(mostStill, still)
            if total > most { (most, forward, backward, weight) = (total, times.forward, times.backward, times.weight) }
            let (first, end) = (bounds[entry.firstBound + index], bounds[entry.firstBound + index + 1])
            let kept = terms.fullest(held + first * stride, moments: end - first, isPartial: entry.isPartial)
            let highAtStart = terms.highAtStart(
                held + first * stride, moments: end - first, isPartial: entry.isPartial,
                holdsEmbedding: kind.holdsEmbedding, kept: kept)
            let whole = terms.activations(
                counts, highAtStart: highAtStart, holdsHead: kind.holdsHead, kept: kept, logits: entry.logits,
                isPartial: entry.isPartial)
            let buffers = terms.buffers(
                counts, holdsEmbedding: kind.holdsEmbedding, holdsHead: kind.holdsHead, passes: kind.passes,
                logits: entry.logits, isBidirectional: entry.passShare < 1)
            passes[index] = KindPass(
                forward: times.forward, backward: times.backward, work: still,
                activations: ends.losses * (whole + buffers))
        }
        let spans = PipelineSpans(
            entry.schedule, entry.shape, overlapsTransfer: ends.overlapsTransfer, transfer: ends.transfer, work: sum,
            forward: forward, backward: backward, weight: weight)
        let busy = Double(entry.shape.microbatches) * most
        return busy + max(0, spans.filled - busy) + max(0, spans.span - spans.filled)
            + Double(entry.shape.microbatches) * (pace - mostStill)
    }

    /// Seconds of one micro-batch on a rank, equal to the sums of `LayoutWork.times(of:)`.
    /// - Parameter counts: numbers of the rank's blocks, in the order of `HeldBlocks.numbers`.
    @inline(__always)
    private func rank(
        _ kind: PipelineTable.KindNumbers, _ counts: UnsafePointer<Double>, isPartial: Bool, passShare: Double
    ) -> (forward: Double, backward: Double, weight: Double) {
        var (forward, backward, weight) = (0.0, 0.0, 0.0)
        @inline(__always)
        func add(_ count: Double, _ part: PassTerms.Part) {
            forward += count * part.forward
            backward += count * part.backward
            weight += count * part.weight
        }
        let blocks = isPartial ? blocks : uniform
        for place in 0..<parts where counts[place] > 0 { add(counts[place], blocks[place]) }
        if kind.holdsEmbedding { add(1, ends.embedding) }
        if kind.holdsHead { add(1, ends.head) }
        let launches = Double(kind.passes) * ends.host
        return (
            passShare * forward + launches + kind.forwardMessages * ends.message,
            passShare * backward + launches + (kind.messages - kind.forwardMessages) * ends.message, passShare * weight
        )
    }
}

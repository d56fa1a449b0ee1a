internal import Models
internal import Plans
internal import Schedules

/// Bytes of activations and temporary buffers on one device for one micro-batch. They depend on the micro-batch and its
/// division among tensor and context ranks, and not on the sharding of parameters.
///
/// A class, so that a search passes it on without copying lists.
final class ActivationTerms: Sendable {
    /// Bytes of a block of each kind, with the layout's recomputation.
    let blocks: [ActivationBytes]
    /// Whether some blocks are told from the others: recomputed ones, the first ones of runs, or offloaded ones.
    let isPartial: Bool
    /// Whether activations of blocks are offloaded: of all, or of those that are told from the others.
    var isOffloaded: Bool { offloadsAll != nil }
    /// Whether activations of all blocks are offloaded, or of those that are told from the others; nil: of none.
    private let offloadsAll: Bool?
    /// One list of all figures that are one a kind of block: those of `held`, those of `held` if all blocks are
    /// recomputed or none is, the bytes recomputed at once, and those of the widest gradients. If blocks are offloaded, the
    /// figures of `OffloadedNumbers` follow.
    private let numbers: [Double]
    private let pools: Bool
    /// Figures that are the same for all kinds of block.
    let ends: Ends
    /// Bytes that blocks in bf16 at the start and at the end of the model keep beyond those of other blocks.
    let bf16Extra: (start: Double, end: Double)
    /// Terms of a layout under its own schedule.
    convenience init(_ work: LayoutWork) {
        self.init(work, Self.tensors(work), isSplit: work.layout.schedule.splitsBackward)
    }

    /// The tensors of a block of each kind.
    static func tensors(_ work: LayoutWork) -> [BlockTensors] {
        work.parts.blocks.map { BlockTensors($0, work.device, sequence: work.model.sequence, rates: work.rates) }
    }

    /// Terms of a layout under a schedule that splits backwards (`isSplit`) or one that does not. The layout's own
    /// schedule does not matter.
    /// - Parameter tensors: the tensors of a block of each kind.
    init(_ work: LayoutWork, _ tensors: [BlockTensors], isSplit: Bool) {
        let (layout, memory) = (work.layout, work.framework.memory)
        let w = work.rates.elementBytes
        let h = Double(work.model.hidden)
        func bytes(_ recompute: Layout.Recompute) -> [ActivationBytes] {
            tensors.map {
                ActivationBytes(
                    $0, recompute: recompute, keepsOperations: work.framework.selectiveOperations,
                    splitsBackward: isSplit, modules: work.device.modules)
            }
        }
        let own = bytes(layout.recompute)
        isPartial = layout.marked != .all
        offloadsAll = layout.offload.flatMap { $0.activations == .none ? nil : $0.activations == .all }
        blocks = offloadsAll != nil ? own.map(\.withoutKept) : own
        // Buffers other than the gradients of a block's widest tensors: gathered inputs, messages.
        var ends = Ends()
        if work.device.sequenceParallel { ends.buffers += w * work.device.tokens * h }
        let hasPipeline = work.p > 1
        if hasPipeline, memory.messages == nil { ends.buffers += 2 * work.boundaryBytes }
        let runtime = RuntimeBuffers(work)
        let (shared, copies) = runtime.shared
        ends.buffers += shared + runtime.packedOperands + ExchangeBuffers.bytes(work)
        let measure = BlockMeasure(
            division: work.device.division(nil), activation: w, operand: work.rates.operandBytes,
            dropout: work.device.dropout, norms: work.rates.normKernels)
        func kept(_ end: End, _ isCounted: (Kept.Role) -> Bool) -> Double {
            end.part.kept.reduce(0) {
                measure.norms.keeps($1.role) && isCounted($1.role) ? $0 + measure.bytes($1.stored) : $0
            }
        }
        let (embedding, head) = (work.parts.embedding, work.parts.head)
        let remakesNorm = memory.remakesOutputs && !isSplit
        // The embedding keeps the masks of its dropout (Korthikanti et al. 2022, section 4.3).
        let high = HighBytes(work, isSplit: isSplit)
        let extra = high.kept
        bf16Extra = extra
        (ends.highAtStart, ends.highAtEnd) = high.atOnce
        ends.highAtStartBesideMost = high.atStartBesideMost
        let mask = kept(embedding) { _ in true } + extra.start
        var numbers: [Double] = []
        numbers.reserveCapacity(10 * blocks.count + 2)
        let plain =
            layout.offloadedBlocks != nil
            ? own : layout.recomputed.keepsSome ? bytes(.none) : isPartial ? blocks.map(\.withoutKept) : blocks
        HeldBytes.add(plain: plain, recomputed: blocks, mask: mask, to: &numbers)
        HeldBytes.add(plain: blocks, recomputed: blocks, mask: mask, to: &numbers)
        for block in blocks { numbers.append(block.recomputed) }
        for block in blocks { numbers.append(block.widestGradients) }
        if offloadsAll != nil { numbers += OffloadedNumbers.list(own.map(\.kept)) }
        self.numbers = numbers
        ends.headInputs = kept(head) { $0 != .logits && !(remakesNorm && $0 == .normResult) } + extra.end
        let logits = head.logits.map(measure.division.numbers) ?? 0
        switch work.plan.loss.kind {
        case .standard:
            ends.logits = kept(head) { $0 == .logits }
            ends.logitGradients = measure.bytes(head.part.operands)
            ends.headBuffers = (work.framework.logitBytes(tensor: layout.tensor) - 4) * logits
        case .fused:
            // The fp32 logarithm of each row's sum of exponentials, for every loss.
            ends.logits = 4 * Double(head.losses) * work.device.tokens
        case .chunked:
            // The logits of one chunk, and for every loss the gradient of the table that its chunks add to, kept until the
            // backward (Liger Kernel, `fused_linear_cross_entropy.py`). The gradient of the inputs takes the place of the
            // inputs.
            ends.headBuffers =
                work.framework.logitBytes(tensor: layout.tensor) * logits / Double(work.plan.loss.chunks)
                + (work.model.changesHeadTable
                    ? Double(head.losses) * work.state.weight * work.tableParameters : 0)
        }
        ends.tiedBuffers = hasPipeline && work.model.sharesTable ? 4 * (memory.sharedPiece ?? 0) : 0
        ends.messages = hasPipeline ? (memory.messages ?? 0) * work.boundaryBytes : 0
        ends.copiesBuffers = copies
        self.ends = ends
        pools = memory.pools
    }

    /// Bytes that blocks and embedding keep, with the layout's recomputation.
    var held: HeldBytes {
        HeldBytes(kinds: blocks.count, bytes: Array(numbers.prefix(4 * blocks.count + 1)), pools: pools)
    }

    /// Calls `body` with the figures where they lie.
    func withNumbers<T>(_ body: (ActivationNumbers) -> T) -> T? {
        let (kinds, pools, ends, offloads) = (blocks.count, pools, ends, offloadsAll)
        return numbers.withUnsafeBufferPointer { numbers in
            numbers.baseAddress.map {
                body(ActivationNumbers(kinds: kinds, numbers: $0, pools: pools, ends: ends, offloads: offloads))
            }
        }
    }

    /// Bytes of activations on the host at the fullest of `moments`.
    func onHost(_ moments: [HeldBlocks]) -> Double {
        moments.reduce(0) { most, moment in max(most, atMoment(moment) { $0.hostBytes($1) } ?? 0) }
    }

    /// Calls `body` with the offloaded blocks and the numbers of `moment`; nil: nothing is offloaded.
    private func atMoment<T>(
        _ moment: HeldBlocks, _ body: (OffloadedNumbers, UnsafePointer<Double>) -> T
    ) -> T? {
        guard moment.kinds == blocks.count else { return nil }
        let result = withNumbers { numbers in
            moment.numbers.withUnsafeBufferPointer { held in
                held.baseAddress.flatMap { held in numbers.offloaded.map { body($0, held) } }
            }
        }
        return result ?? nil
    }

    /// Bytes that the backward of a rank with this `share` recomputes at once of blocks in bf16 at the start of the model.
    func highAtStart(_ share: PipelineShares.Rank, moments: [HeldBlocks]) -> Double {
        let list = HeldMoments(moments)
        let bytes = withNumbers { numbers in
            list.numbers.withUnsafeBufferPointer { held in
                held.baseAddress.map { held in
                    numbers.highAtStart(
                        held, moments: list.count, isPartial: isPartial, holdsEmbedding: share.holdsEmbedding,
                        kept: numbers.fullest(held, moments: list.count, isPartial: isPartial))
                }
            }
        }
        return (bytes ?? nil) ?? 0
    }

    /// Blocks of a kind whose activations are on the host at `moment`. Copies of some may be on the device (`buffered`).
    func offloaded(_ kind: Int, at moment: HeldBlocks) -> Double { atMoment(moment) { $0.count(kind, $1) } ?? 0 }

    /// Offloaded blocks of each kind whose activations are on the device at `moment`.
    func buffered(at moment: HeldBlocks) -> [Double] {
        var counts = [Double](repeating: 0, count: blocks.count)
        _ = atMoment(moment) { offloaded, held in offloaded.eachBuffered(held) { counts[$0] = $1 } }
        return counts
    }

    /// Bytes of the buffers of offloaded blocks on the device at `moment`.
    func bufferedBytes(at moment: HeldBlocks) -> Double { atMoment(moment) { $0.bufferedBytes($1) } ?? 0 }

    /// Bytes that a rank's backward recomputes at once if each of its blocks is recomputed by itself: those of the largest
    /// block, offloaded or not.
    private func recomputedAtOnce(_ share: PipelineShares.Rank) -> Double {
        blocks.indices.reduce(0) { share.blocks[$1] > 0 ? max($0, blocks[$1].recomputed) : $0 }
    }

    /// Bytes that a rank's backward recomputes at once if it recomputes `runs` of blocks together: those of the largest run.
    /// The first block of a run keeps its input.
    private func recomputed(_ runs: Set<[Int]>) -> Double {
        runs.reduce(0) { most, run in
            var (all, input) = (0.0, Double.infinity)
            for (count, block) in zip(run, blocks) where count > 0 {
                all += Double(count) * block.recomputedInside
                input = min(input, block.keptOfRun)
            }
            return input.isFinite ? max(most, all - input) : most
        }
    }

    /// Bytes of all activations of a rank, and of its buffers.
    /// - Parameters:
    ///   - moments: the rank's fullest moments.
    ///   - runs: the runs of blocks that the rank recomputes together; nil: one block at a time.
    func bytes(
        of share: PipelineShares.Rank, moments: [HeldBlocks], logits: HeldLogits, isBidirectional: Bool,
        runs: Set<[Int]>? = nil
    ) -> (activations: Double, buffers: Double) {
        let list = HeldMoments(moments)
        let bytes = withNumbers { numbers in
            withUnsafePointers(HeldBlocks(of: share).numbers, list.numbers) { counts, held in
                let kept = numbers.fullest(held, moments: list.count, isPartial: isPartial)
                let atOnce = isOffloaded ? recomputedAtOnce(share) : runs.map(recomputed)
                let highAtStart = numbers.highAtStart(
                    held, moments: list.count, isPartial: isPartial, holdsEmbedding: share.holdsEmbedding, kept: kept)
                let activations =
                    atOnce.map {
                        numbers.activations(
                            highAtStart: highAtStart, holdsHead: share.holdsHead, kept: kept,
                            logits: logits, recomputed: $0)
                    }
                    ?? numbers.activations(
                        counts, highAtStart: highAtStart, holdsHead: share.holdsHead, kept: kept,
                        logits: logits, isPartial: isPartial)
                return (
                    activations,
                    numbers.buffers(
                        counts, holdsEmbedding: share.holdsEmbedding, holdsHead: share.holdsHead,
                        passes: share.passes, logits: logits, isBidirectional: isBidirectional)
                )
            }
        }
        return (bytes ?? nil) ?? (0, 0)
    }
}

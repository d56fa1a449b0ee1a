internal import Models
internal import Plans
internal import Schedules

/// Bytes of activations and temporary buffers on one device for one micro-batch. They depend on the micro-batch and its
/// division among tensor and context ranks, and not on the sharding of parameters. The functions are inlined because a
/// search calls them for every layout.
///
/// A class, so that a search passes it on without copying lists.
final class ActivationTerms: Sendable {
    /// Bytes of a block of each kind, with the layout's recomputation.
    let blocks: [ActivationBytes]
    /// Whether only some blocks are recomputed.
    let isPartial: Bool
    /// Bytes that blocks and embedding keep, with the layout's recomputation.
    let held: HeldBytes
    /// Bytes that blocks and embedding keep, if all blocks are recomputed or none is.
    let uniform: HeldBytes
    /// Bytes of the inputs of the final norm and of the head.
    let headInputs: Double
    /// Bytes of the fp32 logits.
    let logits: Double
    /// Bytes of the logits' gradients in the activations' format, which the head's weight gradient reads.
    let logitGradients: Double
    /// Bytes of gathered inputs, messages, and memory shared with other ranks.
    let buffers: Double
    /// Bytes of all copies of the logits during the loss, without the fp32 logits.
    let headBuffers: Double
    /// Bytes of memory shared by the first and the last rank if both hold a copy of a tied table.
    let tiedBuffers: Double
    /// Bytes of messages for each stage that a rank holds.
    let messages: Double
    /// Bytes of memory shared by the two copies of a stage in a bidirectional pipeline.
    let copiesBuffers: Double
    /// Terms of a layout under its own schedule.
    convenience init(_ work: LayoutWork) { self.init(work, isSplit: work.layout.schedule.splitsBackward) }

    /// Terms of a layout under a schedule that splits backwards (`isSplit`) or one that does not. The layout's own
    /// schedule does not matter.
    init(_ work: LayoutWork, isSplit: Bool) {
        let (layout, device, model, memory) = (work.layout, work.device, work.model, work.framework.memory)
        let w = work.rates.elementBytes
        let h = Double(model.hidden)
        func bytes(_ recompute: Layout.Recompute) -> [ActivationBytes] {
            work.parts.blocks.map { ActivationBytes(work, block: $0, recompute: recompute, isSplit: isSplit) }
        }
        blocks = bytes(layout.recompute)
        isPartial = layout.recomputeLayers != nil
        // Buffers other than the gradients of a block's widest tensors: gathered inputs, messages.
        var buffers = 0.0
        if device.sequenceParallel { buffers += w * device.tokens * h }
        let hasPipeline = work.p > 1
        if hasPipeline, memory.messages == nil { buffers += 2 * work.boundaryBytes }
        let own = RuntimeBuffers(work)
        let (shared, copies) = own.shared
        buffers += shared + own.packedOperands
        self.buffers = buffers
        let ends = BlockMeasure(
            division: device.division(nil), activation: w, operand: work.rates.operandBytes, dropout: device.dropout)
        func kept(_ end: End, _ isCounted: (Kept.Role) -> Bool) -> Double {
            end.part.kept.reduce(0) { isCounted($1.role) ? $0 + ends.bytes($1.stored) : $0 }
        }
        let (embedding, head) = (work.parts.embedding, work.parts.head)
        let remakesNorm = memory.remakesOutputs && !isSplit
        // The embedding keeps the masks of its dropout (Korthikanti et al. 2022, section 4.3).
        let mask = kept(embedding) { _ in true }
        uniform = HeldBytes(plain: blocks, recomputed: blocks, mask: mask, pools: memory.pools)
        held =
            isPartial
            ? HeldBytes(plain: bytes(.none), recomputed: blocks, mask: mask, pools: memory.pools) : uniform
        headInputs = kept(head) { $0 != .logits && !(remakesNorm && $0 == .normResult) }
        logits = kept(head) { $0 == .logits }
        logitGradients = ends.bytes(head.part.operands)
        headBuffers = (work.framework.logitBytes - 4) * (head.logits.map(ends.division.numbers) ?? 0)
        tiedBuffers = hasPipeline && model.tiedEmbeddings ? 4 * (memory.sharedPiece ?? 0) : 0
        messages = hasPipeline ? (memory.messages ?? 0) * work.boundaryBytes : 0
        copiesBuffers = copies
    }

    /// Bytes that a rank's backward recomputes at once: those of the largest of its recomputed blocks.
    /// - Parameters:
    ///   - counts: numbers of the rank's blocks, in the order of `HeldBlocks.numbers`.
    ///   - isPartial: whether only some blocks are recomputed.
    @inline(__always)
    private func recomputed(_ counts: UnsafePointer<Double>, isPartial: Bool) -> Double {
        var most = 0.0
        for kind in 0..<blocks.count where counts[2 * kind + (isPartial ? 1 : 0)] > 0 {
            most = max(most, blocks[kind].recomputed)
        }
        return most
    }

    /// Bytes of the gradients of the widest tensors of one of the rank's blocks.
    @inline(__always)
    private func widestGradients(_ counts: UnsafePointer<Double>) -> Double {
        var most = 0.0
        for kind in 0..<blocks.count where counts[2 * kind] + counts[2 * kind + 1] > 0 {
            most = max(most, blocks[kind].widestGradients)
        }
        return most
    }

    /// Bytes of all activations of a rank whose blocks and embedding keep `kept` bytes.
    /// - Parameters:
    ///   - counts: numbers of the rank's blocks, in the order of `HeldBlocks.numbers`.
    ///   - isPartial: whether only some blocks are recomputed.
    @inline(__always)
    func activations(
        _ counts: UnsafePointer<Double>, holdsHead: Bool, kept: Double, logits held: HeldLogits, isPartial: Bool
    ) -> Double {
        kept + recomputed(counts, isPartial: isPartial) + (holdsHead ? (held.pending + held.deferred) * headInputs : 0)
    }

    /// Bytes of a rank's temporary buffers: gradients of the widest tensors of one block, and all other buffers.
    @inline(__always)
    func buffers(
        _ counts: UnsafePointer<Double>, holdsEmbedding: Bool, holdsHead: Bool, passes: Int, logits held: HeldLogits,
        isBidirectional: Bool
    ) -> Double {
        widestGradients(counts) + buffers + (holdsEmbedding != holdsHead ? tiedBuffers : 0)
            + messages * Double(passes) + (isBidirectional ? copiesBuffers : 0)
            + (holdsHead ? held.pending * logits + held.deferred * logitGradients + headBuffers : 0)
    }

    /// Bytes of all activations of a rank, and of its buffers.
    /// - Parameter moments: the rank's fullest moments.
    func bytes(
        of share: PipelineShares.Rank, moments: [HeldBlocks], logits: HeldLogits, isBidirectional: Bool
    ) -> (activations: Double, buffers: Double) {
        HeldBlocks(of: share).numbers.withUnsafeBufferPointer { counts in
            guard let counts = counts.baseAddress else { return (0, 0) }
            return (
                activations(
                    counts, holdsHead: share.holdsHead, kept: held.fullest(moments), logits: logits,
                    isPartial: isPartial),
                buffers(
                    counts, holdsEmbedding: share.holdsEmbedding, holdsHead: share.holdsHead, passes: share.passes,
                    logits: logits, isBidirectional: isBidirectional)
            )
        }
    }
}

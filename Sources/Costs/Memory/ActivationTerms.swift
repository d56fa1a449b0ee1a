internal import Models
internal import Plans
internal import Schedules

/// Bytes of activations and temporary buffers on one device for one micro-batch. They depend on the micro-batch and its
/// division among tensor and context ranks, and not on the sharding of parameters. The functions are inlined because a
/// search calls them for every layout.
struct ActivationTerms: Sendable {
    /// Bytes of one dense block, with the layout's recomputation.
    var block: ActivationBytes
    /// Bytes of one block with experts; equal to `block` in a dense model.
    var mixture: ActivationBytes
    /// Bytes of one block that is not recomputed, in a layout that recomputes only some blocks.
    var plain: ActivationBytes
    var plainMixture: ActivationBytes
    /// Whether only some blocks are recomputed.
    var isPartial: Bool
    /// Bytes that the embedding keeps: the masks of its dropout (Korthikanti et al. 2022, section 4.3).
    var mask: Double
    /// Bytes of the inputs of the final norm and of the head.
    var headInputs: Double
    /// Bytes of the fp32 logits.
    var logits: Double
    /// Bytes of the logits' gradients in the activations' format, which the head's weight gradient reads.
    var logitGradients: Double
    /// Bytes of gathered inputs, messages, and memory shared with other ranks.
    var buffers: Double
    /// Bytes of all copies of the logits during the loss, without the fp32 logits.
    var headBuffers: Double
    /// Bytes of memory shared by the first and the last rank if both hold a copy of a tied table.
    var tiedBuffers = 0.0
    /// Bytes of messages for each stage that a rank holds.
    var messages = 0.0
    /// Bytes of memory shared by the two copies of a stage in a bidirectional pipeline.
    var copiesBuffers = 0.0
    /// Whether the software never frees memory, so that later moments reuse it.
    var pools = false

    /// Terms of a layout under its own schedule.
    init(_ work: LayoutWork) { self.init(work, isSplit: work.layout.schedule.splitsBackward) }

    /// Terms of a layout under a schedule that splits backwards (`isSplit`) or one that does not. The layout's own
    /// schedule does not matter.
    init(_ work: LayoutWork, isSplit: Bool) {
        let (layout, device, model, memory) = (work.layout, work.device, work.model, work.framework.memory)
        let w = work.rates.elementBytes
        let h = Double(model.hidden)
        func block(isMixture: Bool, _ recompute: Layout.Recompute) -> ActivationBytes {
            ActivationBytes(work, isMixture: isMixture, recompute: recompute, isSplit: isSplit)
        }
        let hasExperts = model.moe != nil
        self.block = block(isMixture: false, layout.recompute)
        mixture = hasExperts ? block(isMixture: true, layout.recompute) : self.block
        isPartial = layout.recomputeLayers != nil
        plain = isPartial ? block(isMixture: false, .none) : self.block
        plainMixture = isPartial && hasExperts ? block(isMixture: true, .none) : plain
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
        mask = kept(embedding) { _ in true }
        headInputs = kept(head) { $0 != .logits && !(remakesNorm && $0 == .normResult) }
        logits = kept(head) { $0 == .logits }
        logitGradients = ends.bytes(head.part.operands)
        headBuffers = (work.framework.logitBytes - 4) * (head.logits.map(ends.division.numbers) ?? 0)
        tiedBuffers = hasPipeline && model.tiedEmbeddings ? 4 * (memory.sharedPiece ?? 0) : 0
        messages = hasPipeline ? (memory.messages ?? 0) * work.boundaryBytes : 0
        copiesBuffers = copies
        pools = memory.pools
    }

    /// Bytes that the blocks keep at one moment.
    @inline(__always)
    func blocks(_ held: HeldBlocks) -> Double { whole(held) + halves(held) }

    /// Bytes of the blocks whose backward has not started.
    @inline(__always)
    private func whole(_ held: HeldBlocks) -> Double {
        guard isPartial else {
            let bytes = held.dense * block.kept
            return held.mixtures > 0 ? bytes + held.mixtures * mixture.kept : bytes
        }
        let bytes = held.dense * plain.kept + held.recomputed * block.kept
        guard held.mixtures + held.recomputedMixtures > 0 else { return bytes }
        return bytes + held.mixtures * plainMixture.kept + held.recomputedMixtures * mixture.kept
    }

    /// Bytes of the blocks between the two halves of their backward.
    @inline(__always)
    private func halves(_ held: HeldBlocks) -> Double {
        guard isPartial else { return held.denseLater * block.later + held.mixturesLater * mixture.later }
        return held.denseLater * plain.later + held.recomputedLater * block.later
            + held.mixturesLater * plainMixture.later + held.recomputedMixturesLater * mixture.later
    }

    /// Bytes that the blocks and the embedding keep at the fullest of `moments`.
    @inline(__always)
    func fullest(_ moments: some Collection<HeldBlocks>) -> Double {
        guard pools else { return moments.reduce(0) { max($0, kept($1)) } }
        var (sets, most) = (0.0, 0.0)
        for moment in moments {
            sets = max(sets, kept(moment.asSets))
            most = max(most, added(moment))
        }
        return sets + most
    }

    /// Additional bytes of blocks between the two halves of a backward, beyond the tensors they kept before.
    @inline(__always)
    func added(_ moment: HeldBlocks) -> Double { blocks(moment) - whole(moment.asSets) }

    /// Bytes of the embedding's dropout masks at one moment.
    @inline(__always)
    func masks(_ held: HeldBlocks) -> Double { held.first * mask }

    /// Bytes that the blocks and the embedding keep at one moment.
    @inline(__always)
    func kept(_ held: HeldBlocks) -> Double { blocks(held) + masks(held) }

    /// Bytes that a rank's backward recomputes at once: those of the largest of its recomputed blocks.
    @inline(__always)
    func recomputed(of share: PipelineShares.Rank) -> Double {
        let dense = isPartial ? share.recomputed > 0 : share.mixtures < share.layers
        let mixtures = isPartial ? share.recomputedMixtures > 0 : share.mixtures > 0
        return max(dense ? block.recomputed : 0, mixtures ? mixture.recomputed : 0)
    }

    /// Bytes of all activations of a rank whose blocks and embedding keep `kept` bytes.
    @inline(__always)
    func activations(of share: PipelineShares.Rank, kept: Double, logits held: HeldLogits) -> Double {
        kept + recomputed(of: share) + (share.holdsHead ? (held.pending + held.deferred) * headInputs : 0)
    }

    /// Bytes of a rank's temporary buffers: gradients of the widest tensors of one block, and all other buffers.
    @inline(__always)
    func buffers(of share: PipelineShares.Rank, logits held: HeldLogits, isBidirectional: Bool) -> Double {
        max(
            share.mixtures < share.layers ? block.widestGradients : 0,
            share.mixtures > 0 ? mixture.widestGradients : 0) + buffers
            + (share.holdsEmbedding != share.holdsHead ? tiedBuffers : 0)
            + messages * Double(share.passes) + (isBidirectional ? copiesBuffers : 0)
            + (share.holdsHead ? held.pending * logits + held.deferred * logitGradients + headBuffers : 0)
    }
}

internal import Plans
internal import Schedules

/// Bytes of activations and of the buffers beside them on one device, for one micro-batch: what depends on the
/// micro-batch and on how it is cut, and not on how parameters are held. Its functions are inlined: a search calls them
/// for every layout.
struct ActivationTerms: Sendable {
    /// What one block keeps, and one with experts (`block` in a dense model).
    var block: BlockActivations
    var mixture: BlockActivations
    /// The same of blocks that keep everything, where only some are recomputed.
    var plain: BlockActivations
    var plainMixture: BlockActivations
    /// Whether only some blocks are recomputed.
    var isPartial: Bool
    /// Masks of the embedding's dropout, one byte an element (Korthikanti et al. 2022, section 4.3).
    var mask: Double
    /// Inputs of the final norm and of the head.
    var headInputs: Double
    /// fp32 logits.
    var logits: Double
    /// Their gradient in the activations' format, which the head's weight gradient needs.
    var logitGradients: Double
    /// Gradients of the widest tensors of one block, gathered inputs, messages.
    var buffers: Double
    /// Beside the pending logits: every copy of those at work.
    var headBuffers: Double

    /// Bytes the blocks of a rank keep with `inFlight` stages held of `stages` it has.
    @inline(__always)
    func blocks(of share: PipelineShares.Rank, inFlight: Int, stages: Int) -> Double {
        let dense = share.layers - share.mixtures
        func held(_ count: Int, _ kept: Double) -> Double { Double(inFlight * count) / Double(stages) * kept }
        guard isPartial else {
            let bytes = held(dense, block.kept)
            return share.mixtures > 0 ? bytes + held(share.mixtures, mixture.kept) : bytes
        }
        let bytes = held(dense - share.recomputed, plain.kept) + held(share.recomputed, block.kept)
        guard share.mixtures > 0 else { return bytes }
        return bytes + held(share.mixtures - share.recomputedMixtures, plainMixture.kept)
            + held(share.recomputedMixtures, mixture.kept)
    }

    @inline(__always)
    func masks(of share: PipelineShares.Rank, inFlight: Int, stages: Int) -> Double {
        share.holdsEmbedding ? Double(inFlight) / Double(stages) * mask : 0
    }

    /// All activations of a rank.
    @inline(__always)
    func activations(
        of share: PipelineShares.Rank, inFlight: Int, stages: Int, logits held: HeldLogits
    ) -> Double {
        blocks(of: share, inFlight: inFlight, stages: stages) + (share.mixtures > 0 ? mixture : block).recomputed
            + masks(of: share, inFlight: inFlight, stages: stages)
            + (share.holdsHead ? (held.pending + held.deferred) * headInputs : 0)
    }

    /// Temporary buffers of a rank.
    @inline(__always)
    func buffers(of share: PipelineShares.Rank, logits held: HeldLogits) -> Double {
        buffers
            + (share.holdsHead ? held.pending * logits + held.deferred * logitGradients + headBuffers : 0)
    }
}

/// Micro-batches whose logits the last stage holds at once.
struct HeldLogits: Sendable {
    /// Between its forward and its backward: all of them where every forward comes first, one otherwise.
    var pending: Double
    /// Beside them, whose weight gradients are put off.
    var deferred: Double

    init(_ schedule: ScheduleName, _ shape: PipelineShape) {
        pending = schedule == .gpipe || schedule == .loopedBFS ? Double(shape.microbatches) : 1
        deferred = Double(schedule.peakHeadMicrobatches(shape)) - pending
    }
}

extension LayoutWork {
    /// What one block keeps for one micro-batch.
    package var blockActivations: BlockActivations { blockActivations(mixture: false, recompute: layout.recompute) }

    private func blockActivations(mixture: Bool, recompute: Layout.Recompute) -> BlockActivations {
        BlockActivations(
            model: model, tokens: shard.tokens, tensor: layout.tensor, sequenceParallel: layout.sequenceParallel,
            recompute: recompute, flashAttention: layout.flashAttention, dropout: shard.dropout,
            elementBytes: rates.elementBytes, mixture: mixture,
            keepsOperations: rates.framework.selectiveOperations)
    }

    var activationTerms: ActivationTerms {
        let w = rates.elementBytes
        let h = Double(model.hidden)
        let block = blockActivations
        let hasExperts = model.moe != nil
        let mixture = hasExperts ? blockActivations(mixture: true, recompute: layout.recompute) : block
        let isPartial = layout.recomputeLayers != nil
        let plain = isPartial ? blockActivations(mixture: false, recompute: .none) : block
        let plainMixture = isPartial && hasExperts ? blockActivations(mixture: true, recompute: .none) : plain
        // Temporary buffers: gradients of the widest tensors of one block, gathered inputs, messages.
        let widest = Double(model.ffn) * (model.mlp.isGated ? 3 : 2) / shard.tensor + h
        var buffers = w * shard.tokens * widest
        if shard.sequenceParallel { buffers += w * shard.tokens * h }
        if p > 1 { buffers += 2 * boundaryBytes }
        return ActivationTerms(
            block: block, mixture: mixture, plain: plain, plainMixture: plainMixture, isPartial: isPartial,
            mask: shard.dropout ? shard.tokens * h / shard.sequenceShare : 0, headInputs: 2 * boundaryBytes,
            logits: 4 * shard.tokens * Double(vocabulary) / shard.tensor,
            logitGradients: w * shard.tokens * Double(vocabulary) / shard.tensor, buffers: buffers,
            headBuffers: (rates.framework.logitBytes - 4) * shard.tokens * Double(vocabulary) / shard.tensor)
    }

    /// Most activations `rank` holds at once, counted in its stages (its schedule's multiplicity).
    package func inFlight(rank: Int) -> Int {
        heldActivations?[rank] ?? layout.schedule.peakActivations(rank: rank, shape)
    }

    /// Bytes the blocks of `rank` keep at the fullest moment.
    package func blockActivationBytes(rank: Int) -> Double {
        activationTerms.blocks(of: shares.ranks[rank], inFlight: inFlight(rank: rank), stages: v)
    }

    /// Masks of the embedding's dropout on the first rank.
    package func embeddingMaskBytes(rank: Int) -> Double {
        activationTerms.masks(of: shares.ranks[rank], inFlight: inFlight(rank: rank), stages: v)
    }

    /// Inputs of the final norm and of the head for the micro-batches whose loss is pending.
    package func headInputBytes(rank: Int) -> Double {
        holdsHead(rank) ? (heldLogits.pending + heldLogits.deferred) * activationTerms.headInputs : 0
    }

    /// fp32 logits of the micro-batches whose loss is pending.
    package func logitBytes(rank: Int) -> Double { holdsHead(rank) ? heldLogits.pending * activationTerms.logits : 0 }

    private var heldLogits: HeldLogits { HeldLogits(layout.schedule, shape) }

    /// Weights, gradients and optimizer of a rank.
    func held(by share: PipelineShares.Rank) -> (weights: Double, gradients: Double, optimizer: Double) {
        var held = state.held(
            parameters: denseParameters(of: share), sharding: layout.sharding, group: layout.shardRanks)
        if share.mixtures > 0 {
            let experts = state.held(
                parameters: expertParameters(of: share), sharding: layout.sharding,
                group: shard.expertShardGroup.size)
            held.weights += experts.weights
            held.gradients += experts.gradients
            held.optimizer += experts.optimizer
        }
        if rates.framework.twoGradients, state.gradient > state.weight {
            held.gradients *= 1 + state.weight / state.gradient
        }
        return held
    }

    /// Buffers of a rank for parameters that are gathered before use.
    func gathered(by share: PipelineShares.Rank) -> Double {
        guard layout.sharding == .parameters, layout.shardRanks > 1 else { return 0 }
        func held(_ block: BlockParameters) -> Double {
            let held = shard.held(of: block)
            return held.dense + held.experts
        }
        let dense = share.mixtures < share.layers ? held(BlockParameters(model)) : 0
        let mixture = share.mixtures > 0 ? held(BlockParameters(model, mixture: true)) : 0
        let table =
            share.holdsEmbedding || share.holdsHead
            ? Double(vocabulary) * Double(model.hidden) / shard.tensor : 0
        // The layer at work, the next one on its way, and the gradients of the first.
        return (2 * state.weight + state.gradient) * max(dense, mixture, table)
    }

    /// Allocator's losses as a share of the activations and temporary buffers.
    var fragmentation: Double { rates.framework.fragmentation }

    /// Bytes that the allocator never sees.
    var outside: Double { rates.framework.reservedBytes ?? pricer.plan.cluster.device.reservedBytes }

    /// Bytes on every device of `rank`.
    package func memory(rank: Int) -> Estimate.RankMemory { memory(rank: rank, terms: activationTerms) }

    private func memory(rank: Int, terms: ActivationTerms) -> Estimate.RankMemory {
        let share = shares.ranks[rank]
        let held = held(by: share)
        let activations = terms.activations(of: share, inFlight: inFlight(rank: rank), stages: v, logits: heldLogits)
        let buffers = terms.buffers(of: share, logits: heldLogits) + gathered(by: share)
        let unused = fragmentation * (activations + buffers)
        return Estimate.RankMemory(
            rank: rank, weights: held.weights, gradients: held.gradients, optimizer: held.optimizer,
            activations: activations, other: buffers + unused + outside, unused: unused, outside: outside)
    }

    /// Bytes of the fullest rank.
    package var peakMemory: Double {
        let terms = activationTerms
        var peak = 0.0
        for rank in 0..<p { peak = max(peak, memory(rank: rank, terms: terms).peak) }
        return peak
    }
}

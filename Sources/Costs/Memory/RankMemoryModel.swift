internal import Models
internal import Plans
internal import Schedules

/// Bytes of activations and of the buffers beside them on one device, for one micro-batch: what depends on the
/// micro-batch and on how it is cut, and not on how parameters are held. Its functions are inlined: a search calls them
/// for every layout.
struct ActivationTerms: Sendable {
    /// What one block keeps, and one with experts (`block` in a dense model).
    var block: ActivationBytes
    var mixture: ActivationBytes
    /// Where only some blocks are recomputed: what one of the others keeps, without experts and with them.
    var plain: ActivationBytes
    var plainMixture: ActivationBytes
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
    /// Gathered inputs, messages, memory shared with other ranks.
    var buffers: Double
    /// Beside the pending logits: every copy of those at work.
    var headBuffers: Double
    /// What the first and the last rank share with each other where each holds a copy of a tied table.
    var tiedBuffers = 0.0
    /// Messages of each stage a rank holds.
    var messages = 0.0
    /// What the two copies of a stage share with each other in a pipeline that micro-batches enter from both ends.
    var copiesBuffers = 0.0
    /// Whether memory once taken for one moment is still held at the others.
    var pools = false

    /// Bytes the blocks keep at one moment.
    @inline(__always)
    func blocks(_ held: HeldBlocks) -> Double { whole(held) + halves(held) }

    /// Those whose backward is still to come.
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

    /// Those between the two halves of it.
    @inline(__always)
    private func halves(_ held: HeldBlocks) -> Double {
        guard isPartial else { return held.denseLater * block.later + held.mixturesLater * mixture.later }
        return held.denseLater * plain.later + held.recomputedLater * block.later
            + held.mixturesLater * plainMixture.later + held.recomputedMixturesLater * mixture.later
    }

    /// All that the blocks and the embedding keep at the fullest of some moments.
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

    /// What blocks between the two halves of a backward hold beside the set of tensors they had before.
    @inline(__always)
    func added(_ moment: HeldBlocks) -> Double { blocks(moment) - whole(moment.asSets) }

    @inline(__always)
    func masks(_ held: HeldBlocks) -> Double { held.first * mask }

    /// All that the blocks and the embedding keep at one moment.
    @inline(__always)
    func kept(_ held: HeldBlocks) -> Double { blocks(held) + masks(held) }

    /// The most a rank's backward makes again: by the largest kind of block that it recomputes.
    @inline(__always)
    func recomputed(of share: PipelineShares.Rank) -> Double {
        let dense = isPartial ? share.recomputed > 0 : share.mixtures < share.layers
        let mixtures = isPartial ? share.recomputedMixtures > 0 : share.mixtures > 0
        return max(dense ? block.recomputed : 0, mixtures ? mixture.recomputed : 0)
    }

    /// All activations of a rank whose blocks and embedding keep `kept` bytes.
    @inline(__always)
    func activations(of share: PipelineShares.Rank, kept: Double, logits held: HeldLogits) -> Double {
        kept + recomputed(of: share) + (share.holdsHead ? (held.pending + held.deferred) * headInputs : 0)
    }

    /// Temporary buffers of a rank: gradients of the widest tensors of one block beside the others.
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

/// Micro-batches whose logits the last stage holds at once.
struct HeldLogits: Sendable {
    /// Between its forward and its backward: all of them where every forward comes first, one otherwise.
    var pending: Double
    /// Beside them, whose weight gradients are put off.
    var deferred: Double

    init(_ schedule: ScheduleName, _ shape: PipelineShape) {
        let backlog = schedule.headBacklog(shape)
        pending = Double(backlog.pending)
        deferred = Double(backlog.deferred)
    }
}

extension LayoutWork {
    /// What one block keeps for one micro-batch, with experts where every block has them.
    package var blockActivations: ActivationBytes {
        blockActivations(mixture: model.denseLayers == 0, recompute: layout.recompute)
    }

    private func blockActivations(
        mixture: Bool, recompute: Layout.Recompute, isSplit: Bool? = nil
    ) -> ActivationBytes {
        ActivationBytes(
            parts.block(isMixture: mixture), sequence: model.sequence, tokens: shard.tokens, tensor: layout.tensor,
            sequenceParallel: layout.sequenceParallel,
            recompute: recompute, flashAttention: layout.flashAttention, dropout: shard.dropout,
            elementBytes: rates.elementBytes,
            keepsOperations: rates.framework.selectiveOperations, expertTensor: layout.expertTensor,
            keepsCombinedRows: rates.framework.keepsCombinedRows,
            operandBytes: rates.operandBytes, splitsBackward: isSplit ?? layout.schedule.splitsBackward,
            memory: rates.framework.memory)
    }

    var activationTerms: ActivationTerms { activationTerms(isSplit: layout.schedule.splitsBackward) }

    /// Activations of one micro-batch under a schedule that splits backwards, or one that does not, whatever the
    /// layout's own does.
    func activationTerms(isSplit: Bool) -> ActivationTerms {
        let w = rates.elementBytes
        let h = Double(model.hidden)
        let block = blockActivations(mixture: false, recompute: layout.recompute, isSplit: isSplit)
        let hasExperts = model.moe != nil
        let mixture =
            hasExperts ? blockActivations(mixture: true, recompute: layout.recompute, isSplit: isSplit) : block
        let isPartial = layout.recomputeLayers != nil
        let plain = isPartial ? blockActivations(mixture: false, recompute: .none, isSplit: isSplit) : block
        let plainMixture =
            isPartial && hasExperts ? blockActivations(mixture: true, recompute: .none, isSplit: isSplit) : plain
        let memory = rates.framework.memory
        // Beside the gradients of a block's widest tensors: gathered inputs, messages.
        var buffers = 0.0
        if shard.sequenceParallel { buffers += w * shard.tokens * h }
        if p > 1, memory.messages == nil { buffers += 2 * boundaryBytes }
        let (shared, copies) = sharedMemory
        buffers += shared + packedOperands
        let remakesNorm = memory.remakesOutputs && !isSplit
        return ActivationTerms(
            block: block, mixture: mixture, plain: plain, plainMixture: plainMixture, isPartial: isPartial,
            mask: shard.dropout ? shard.tokens * h / shard.sequenceShare : 0,
            headInputs: (remakesNorm ? 1 : 2) * boundaryBytes,
            logits: 4 * shard.tokens * Double(vocabulary) / shard.tensor,
            logitGradients: w * shard.tokens * Double(vocabulary) / shard.tensor, buffers: buffers,
            headBuffers: (rates.framework.logitBytes - 4) * shard.tokens * Double(vocabulary) / shard.tensor,
            tiedBuffers: p > 1 && model.tiedEmbeddings ? 4 * (memory.sharedPiece ?? 0) : 0,
            messages: p > 1 ? (memory.messages ?? 0) * boundaryBytes : 0, copiesBuffers: copies, pools: memory.pools)
    }

    /// Where the matrix library rearranges operands: the widest result's rows of the one and a square of the other.
    private var packedOperands: Double {
        let memory = rates.framework.memory
        guard memory.packedDepth > 0 else { return 0 }
        let core = parts.attention.core
        let inner = model.denseLayers > 0 ? parts.dense.feedForward.inner : 0
        let widest = Double(max(inner, core.queries + core.keys + core.values, vocabulary)) / shard.tensor
        return 4 * memory.packedDepth
            * (min(memory.packedRows, max(widest, Double(model.hidden))) + memory.packedDepth)
    }

    /// Memory that ranks of one node share in pieces, two halves a rank, and see whole: the tensor ranks' partial sums, and
    /// what the ranks that sum gradients hand over. Beside it a ring's keys and values and their gradients, each twice, and
    /// its partial output.
    private var sharedMemory: (always: Double, copies: Double) {
        guard let piece = rates.framework.memory.sharedPiece else { return (0, 0) }
        let (w, t) = (rates.elementBytes, shard.tensor)
        var bytes = 0.0
        if t > 1 { bytes += 2 * w * shard.tokens * Double(model.hidden) * (1 + (t - 1) * sharedRows) }
        if shard.context > 1 {
            let core = parts.attention.core
            bytes += w * shard.tokens * (4 * Double(core.keys + core.values) + Double(core.attended)) / t
        }
        func sums(copies: Int) -> Double {
            let ranks = handingOver(copies: copies)
            return ranks == 0 ? 0 : piece * (1 + 2 * Double(ranks))
        }
        return (bytes + sums(copies: 1), sums(copies: 2) - sums(copies: 1))
    }

    /// Share of another tensor rank's segment that a rank reads: with sequence parallelism its own rows' sums and the first
    /// rows, where gathered parts lie.
    var sharedRows: Double { shard.sequenceParallel ? min(1, 2 / shard.tensor) : 1 }

    /// Ranks that hand over gradients in pieces of memory they share: those with the same dense parameters and those with
    /// the same experts. `copies`: how many ranks of a pipeline hold the same stage.
    func handingOver(copies: Int) -> Int {
        let experts =
            model.denseLayers == model.layers ? 0 : shard.expertShardGroup.size * shard.expertReplicaGroup.size
        return [shard.dataGroup.size, experts].map { $0 * copies }.filter { $0 > 1 }.reduce(0, +)
    }

    /// Most activations `rank` holds at once, counted in its stages (its schedule's multiplicity).
    package func inFlight(rank: Int) -> Int {
        searchedSchedule?.peakActivations(release: .backwardWeight)[rank]
            ?? layout.schedule.peakActivations(rank: rank, shape)
    }

    /// The fullest moments of every rank.
    var fullestMoments: [[HeldBlocks]] {
        searchedSchedule.map { shares.fullestMoments(of: $0) } ?? shares.fullestMoments(layout.schedule, shape)
    }

    /// Bytes the blocks of `rank` keep at the fullest moment.
    package func blockActivationBytes(rank: Int) -> Double {
        let terms = activationTerms
        return fullestMoments[rank].reduce(0) { max($0, terms.blocks($1)) }
    }

    /// Masks of the embedding's dropout on the first rank.
    package func embeddingMaskBytes(rank: Int) -> Double {
        let terms = activationTerms
        return fullestMoments[rank].reduce(0) { max($0, terms.masks($1)) }
    }

    /// Inputs of the final norm and of the head for the micro-batches whose loss is pending.
    package func headInputBytes(rank: Int) -> Double {
        holdsHead(rank) ? (heldLogits.pending + heldLogits.deferred) * activationTerms.headInputs : 0
    }

    /// fp32 logits of the micro-batches whose loss is pending.
    package func logitBytes(rank: Int) -> Double { holdsHead(rank) ? heldLogits.pending * activationTerms.logits : 0 }

    var heldLogits: HeldLogits { HeldLogits(layout.schedule, shape) }

    /// Weights, gradients and optimizer of a rank.
    func held(by share: PipelineShares.Rank) -> (weights: Double, gradients: Double, optimizer: Double) {
        var held = state.held(
            parameters: denseParameters(of: share), sharding: layout.sharding, group: layout.shardRanks)
        let unseen = unseenParameters(of: share)
        held.gradients -= state.keptGradient * unseen
        held.optimizer -= state.optimizer * unseen
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

    /// Parameters of a table that is only looked up which no token ever reads: they take no gradient and no moments.
    ///
    /// Where the table is cut into slices, or copied to the other end of a pipeline, all of it has them.
    func unseenParameters(of share: PipelineShares.Rank) -> Double {
        guard let entries = rates.framework.memory.lookedUp, share.holdsEmbedding, !model.tiedEmbeddings,
            layout.sharding == .none || !layout.hasReplicas(model) && !layout.schedule.isBidirectional
        else { return 0 }
        return max(0, Double(vocabulary) / shard.tensor - Double(entries)) * Double(model.hidden)
    }

    /// Buffers of a rank for what exists whole beside its shards: the weights of the layer at work and of the next one on
    /// its way (sharded parameters), and the gradients of the layer at work before they are scattered (sharded gradients
    /// too: DeepSpeed's buckets, PyTorch's SHARD_GRAD_OP, Megatron-FSDP).
    ///
    /// A layer is a block or a table. With the allocator's losses the buffers are never larger than what a rank that
    /// shards nothing would hold more.
    func gathered(by share: PipelineShares.Rank) -> Double {
        guard layout.sharding == .parameters || layout.sharding == .gradients else { return 0 }
        let copies = shard.expertShardGroup.size
        // What no other rank holds is not sharded: experts, or everything else.
        func held(_ block: Block) -> Double {
            let held = shard.held(of: block)
            return (layout.shardRanks > 1 ? held.dense : 0) + (copies > 1 ? held.experts : 0)
        }
        let dense = share.mixtures < share.layers ? held(parts.dense) : 0
        let mixture = share.mixtures > 0 ? held(parts.block(isMixture: true)) : 0
        let table =
            (share.holdsEmbedding || share.holdsHead) && layout.shardRanks > 1
            ? Double(vocabulary) * Double(model.hidden) / shard.tensor : 0
        let layer = max(dense, mixture, table)
        // Parameters whose values the other ranks hold.
        let experts = share.mixtures > 0 ? expertParameters(of: share) * (1 - 1 / Double(copies)) : 0
        let elsewhere = denseParameters(of: share) * (1 - 1 / Double(layout.shardRanks)) + experts
        let most = elsewhere / (1 + fragmentation)
        let gradients = state.gradient * min(layer, most)
        return gradients + (layout.sharding == .parameters ? state.weight * min(2 * layer, most) : 0)
    }

    /// Allocator's losses as a share of the activations and temporary buffers.
    var fragmentation: Double { rates.framework.fragmentation }

    /// Bytes that the allocator never sees.
    var outside: Double { rates.framework.reservedBytes ?? pricer.plan.cluster.device.reservedBytes }

    /// Bytes on every device of `rank`.
    package func memory(rank: Int) -> Estimate.RankMemory {
        memory(rank: rank, terms: activationTerms, moments: fullestMoments[rank])
    }

    /// Bytes on every device of `rank` while it holds `inFlight` activations of its mean stage.
    package func memory(rank: Int, inFlight: Int) -> Estimate.RankMemory {
        memory(rank: rank, terms: activationTerms, moments: [shares.mean(rank, inFlight: inFlight, shape)])
    }

    /// At the fullest moment of every rank.
    var memoryByRank: [Estimate.RankMemory] {
        let terms = activationTerms
        return fullestMoments.enumerated().map { memory(rank: $0, terms: terms, moments: $1) }
    }

    private func memory(rank: Int, terms: ActivationTerms, moments: [HeldBlocks]) -> Estimate.RankMemory {
        let share = shares.ranks[rank]
        let held = held(by: share)
        let activations = terms.activations(of: share, kept: terms.fullest(moments), logits: heldLogits)
        let buffers =
            terms.buffers(of: share, logits: heldLogits, isBidirectional: layout.schedule.isBidirectional)
            + gathered(by: share)
        let unused = fragmentation * (activations + buffers)
        return Estimate.RankMemory(
            rank: rank, weights: held.weights, gradients: held.gradients, optimizer: held.optimizer,
            activations: activations, other: buffers + unused + outside, unused: unused, outside: outside)
    }

    /// Bytes of the fullest rank.
    package var peakMemory: Double { memoryByRank.reduce(0) { max($0, $1.peak) } }
}

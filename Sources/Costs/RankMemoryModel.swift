internal import Plans
internal import Schedules

extension LayoutWork {
    /// What one block keeps for one micro-batch.
    package var blockActivations: BlockActivations {
        BlockActivations(
            model: model, tokens: shard.tokens, tensor: layout.tensor, sequenceParallel: layout.sequenceParallel,
            recompute: layout.recompute, flashAttention: layout.flashAttention, dropout: shard.dropout,
            elementBytes: rates.elementBytes,
            keepsOperations: rates.framework.selectiveOperations)
    }

    /// The same of a block with experts.
    package var mixtureActivations: BlockActivations {
        BlockActivations(
            model: model, tokens: shard.tokens, tensor: layout.tensor, sequenceParallel: layout.sequenceParallel,
            recompute: layout.recompute, flashAttention: layout.flashAttention, dropout: shard.dropout,
            elementBytes: rates.elementBytes, mixture: true,
            keepsOperations: rates.framework.selectiveOperations)
    }

    /// Most activations `rank` holds at once, counted in its stages (its schedule's multiplicity).
    package func inFlight(rank: Int) -> Int {
        heldActivations?[rank] ?? layout.schedule.peakActivations(rank: rank, shape)
    }

    /// Bytes the blocks of `rank` keep at the fullest moment.
    package func blockActivationBytes(rank: Int) -> Double {
        let mixtures = rankMixtureLayers(rank)
        let dense = Double(inFlight(rank: rank) * (rankLayers(rank) - mixtures)) / Double(v) * blockActivations.kept
        guard mixtures > 0 else { return dense }
        return dense + Double(inFlight(rank: rank) * mixtures) / Double(v) * mixtureActivations.kept
    }

    /// Masks of the embedding's dropout on the first rank, one byte an element and micro-batch in flight
    /// (Korthikanti et al. 2022, section 4.3).
    package func embeddingMaskBytes(rank: Int) -> Double {
        guard shard.dropout, holdsEmbedding(rank) else { return 0 }
        return Double(inFlight(rank: rank)) / Double(v) * shard.tokens * Double(model.hidden) / shard.sequenceShare
    }

    /// Inputs of the final norm and of the head for the micro-batches whose loss is pending.
    package func headInputBytes(rank: Int) -> Double {
        holdsHead(rank) ? pendingLosses * 2 * boundaryBytes : 0
    }

    /// fp32 logits of the micro-batches whose loss is pending.
    package func logitBytes(rank: Int) -> Double {
        holdsHead(rank) ? pendingLosses * 4 * shard.tokens * Double(vocabulary) / shard.tensor : 0
    }

    /// Micro-batches between the forward and the backward of the last stage: all of them where every forward comes
    /// first, one otherwise.
    private var pendingLosses: Double {
        layout.schedule == .gpipe || layout.schedule == .loopedBFS ? Double(m) : 1
    }

    /// Bytes on every device of `rank`.
    package func memory(rank: Int) -> Estimate.RankMemory {
        let w = rates.elementBytes
        let group = layout.shardRanks
        var held = state.held(parameters: denseParameters(rank: rank), sharding: layout.sharding, group: group)
        let mixtures = rankMixtureLayers(rank)
        if mixtures > 0 {
            let experts = state.held(
                parameters: expertParameters(rank: rank), sharding: layout.sharding, group: shard.expertDataGroup.size)
            held.weights += experts.weights
            held.gradients += experts.gradients
            held.optimizer += experts.optimizer
        }
        let block = mixtures > 0 ? mixtureActivations : blockActivations
        let activations =
            blockActivationBytes(rank: rank) + block.recomputed + embeddingMaskBytes(rank: rank)
            + headInputBytes(rank: rank)

        // Temporary buffers: gradients of the widest tensors of one block, of the logits, gathered inputs, messages,
        // gathered parameters.
        let h = Double(model.hidden)
        let widest = Double(model.ffn) * (model.mlp.isGated ? 3 : 2) / shard.tensor + h
        var buffers = w * shard.tokens * widest
        let logits = logitBytes(rank: rank)
        if holdsHead(rank) {
            // Of the micro-batches whose loss is pending the logits; of the one at work every copy.
            buffers += logits + (rates.framework.logitBytes - 4) * shard.tokens * Double(vocabulary) / shard.tensor
        }
        if shard.sequenceParallel { buffers += w * shard.tokens * h }
        if p > 1 { buffers += 2 * boundaryBytes }
        if layout.sharding == .parameters, group > 1 {
            let unit = BlockParameters(model).perDevice(tensor: layout.tensor)
            let table = holdsEmbedding(rank) || holdsHead(rank) ? Double(vocabulary) * h / shard.tensor : 0
            // The layer at work, the next one on its way, and the gradients of the first.
            buffers += (2 * state.weight + state.gradient) * max(unit, table)
        }
        if rates.framework.twoGradients, state.gradient > state.weight {
            held.gradients *= 1 + state.weight / state.gradient
        }
        let fragmentation = rates.framework.fragmentation * (activations + buffers)
        let outside = rates.framework.reservedBytes ?? pricer.plan.cluster.device.reservedBytes
        return Estimate.RankMemory(
            rank: rank, weights: held.weights, gradients: held.gradients, optimizer: held.optimizer,
            activations: activations, other: buffers + fragmentation + outside, unused: fragmentation,
            outside: outside)
    }

    /// Bytes of the fullest rank.
    package var peakMemory: Double {
        var peak = 0.0
        for rank in 0..<p { peak = max(peak, memory(rank: rank).peak) }
        return peak
    }
}

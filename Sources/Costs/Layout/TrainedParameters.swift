internal import Models
internal import Plans

/// Parameters that one device of a pipeline rank trains, and bytes of the weights that it only holds. All parameters are
/// trained unless the plan has adapters or frozen parts.
extension LayoutWork {
    /// Parameters that training changes, routed experts excluded.
    package func trainedDense(_ share: PipelineShares.Rank) -> Double {
        guard let tuned = parts.tuned else { return denseParameters(of: share) }
        return tuned.deviceParameters(
            blocks: share.blocks, tensor: layout.tensor, vocabulary: vocabulary,
            holdsEmbedding: share.holdsEmbedding, holdsHead: share.holdsHead)
    }

    /// Parameters of routed experts that training changes.
    package func trainedExperts(_ share: PipelineShares.Rank) -> Double {
        guard let tuned = parts.tuned else { return expertParameters(of: share) }
        return tuned.expertParameters(blocks: share.blocks, pieces: layout.expert * layout.expertTensor)
    }

    /// Bytes of the weights that training leaves as they are, before sharding. They have neither gradients nor optimizer
    /// state, nor copies in another format: 16 bits where products are in 16 or 8, else fp32, or the few bits they are
    /// quantized to.
    func frozenBytes(_ share: PipelineShares.Rank) -> (dense: Double, experts: Double) {
        guard let tuned = parts.tuned else { return (0, 0) }
        let few = tuned.quantizedParameters(
            blocks: share.blocks, tensor: layout.tensor, pieces: layout.expert * layout.expertTensor)
        func bytes(_ held: Double, _ trained: Double, _ few: Double) -> Double {
            state.weight * max(0, held - trained - few) + tuned.quantizedBytes * few
        }
        return (
            bytes(denseParameters(of: share), trainedDense(share), few.dense),
            bytes(expertParameters(of: share), trainedExperts(share), few.experts)
        )
    }

    /// Parameters of a vocabulary table on one device whose gradient both ends of a pipeline add up: 0 if it is frozen.
    var trainedTable: Double {
        parts.embedding.tuned.map { $0.changesTable ? tableParameters : 0 } ?? tableParameters
    }
}

extension LayoutWork {
    /// Parameters whose update a device of one rank does, on itself or on its host.
    func owned(_ share: PipelineShares.Rank) -> Double {
        let (held, experts) = (trainedDense(share), trainedExperts(share))
        guard layout.sharding != .none else { return held + experts }
        guard layout.sharesOptimizer else {
            return held / Double(layout.shardRanks) + experts / Double(device.expertShardGroup.size)
        }
        return held / Double(layout.optimizerRanks) + experts / Double(device.expertOptimizerRanks)
    }
}

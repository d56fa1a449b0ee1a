extension Model {
    /// Parameters of each part of the model, exact.
    package struct Parameters: Hashable, Codable, Sendable {
        /// Attention projections of one block, with their biases.
        package var attention: Int
        /// Feed-forward matrices of one block, with their biases.
        package var ffn: Int
        /// The two norms of one block.
        package var norms: Int
        /// Router, routed and shared experts in place of `ffn` in a block that has them; 0 for a dense model.
        package var mixture = 0
        /// Routed experts of `mixture` alone, and those of them one token passes through.
        package var routed = 0
        package var routedActive = 0
        /// Blocks of the model, and how many of them have experts.
        package var layers: Int
        package var mixtureLayers = 0
        /// Token embedding, vocabulary × hidden.
        package var embedding: Int
        /// Output projection, vocabulary × hidden; 0 when tied to the embedding.
        package var head: Int
        /// Learned positions, sequence × hidden; 0 with rotary positions.
        package var positions: Int
        /// The norm after the last block.
        package var finalNorm: Int

        /// One dense block.
        package var perBlock: Int { attention + ffn + norms }
        /// One block with experts.
        package var perMixtureBlock: Int { attention + mixture + norms }
        package var blocks: Int { (layers - mixtureLayers) * perBlock + mixtureLayers * perMixtureBlock }
        package var total: Int { blocks + embedding + head + positions + finalNorm }
        /// `total` of any shape within `Bounds`, whose blocks together may pass 64 bits though one does not.
        var approximateTotal: Double {
            Double(layers - mixtureLayers) * Double(perBlock) + Double(mixtureLayers) * Double(perMixtureBlock)
                + Double(embedding) + Double(head) + Double(positions) + Double(finalNorm)
        }
        /// Without the experts a token does not pass through.
        package var active: Int { total - mixtureLayers * (routed - routedActive) }
    }

    /// Parameters with a vocabulary of `vocab` entries (the model's own, unpadded, when nil): sums over the tensors of its
    /// parts.
    package func parameters(vocab: Int? = nil) -> Parameters {
        let table = table("", entries: vocab ?? self.vocab).count
        var parameters = Parameters(
            attention: AttentionSpec.tensors(self).parameters, ffn: FeedForwardSpec.denseTensors(self).parameters,
            norms: Part.normTensors(self).parameters, layers: layers, embedding: table,
            head: tiedEmbeddings ? 0 : table, positions: positions?.count ?? 0, finalNorm: finalNorm.parameters)
        if let moe {
            let expert = FeedForwardSpec.expertTensors(self, moe).parameters
            parameters.routed = moe.experts * expert
            parameters.routedActive = moe.topK * expert
            parameters.mixture = FeedForwardSpec.mixtureTensors(self, moe).parameters + parameters.routed
            parameters.mixtureLayers = mixtureLayers
        }
        return parameters
    }

    /// Vocabulary rounded up so that every tensor-parallel rank holds a multiple of `multiple` entries
    /// (Megatron-LM's make_vocab_size_divisible_by, 128).
    package func paddedVocab(multiple: Int = 128, tensor: Int) -> Int {
        let step = max(1, multiple) * max(1, tensor)
        return (vocab + step - 1) / step * step
    }

    /// Weights of the matrix products of one dense block, each a multiply-add a token; and of those that one token passes
    /// in a block with experts.
    package var blockWeights: Double { activeWeights(FeedForwardSpec.denseTensors(self)) }
    package var mixtureBlockWeights: Double {
        guard let moe else { return blockWeights }
        let expert = FeedForwardSpec.expertTensors(self, moe).matrixParameters
        return activeWeights(FeedForwardSpec.mixtureTensors(self, moe)) + Double(moe.topK) * Double(expert)
    }

    private func activeWeights(_ feedForward: [TensorSpec]) -> Double {
        Double(AttentionSpec.tensors(self).matrixParameters) + Double(feedForward.matrixParameters)
    }
}

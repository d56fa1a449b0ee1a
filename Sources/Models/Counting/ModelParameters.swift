extension Model {
    /// Parameters of each part of the model, exact.
    package struct Parameters: Hashable, Codable, Sendable {
        /// Attention projections of one block, with their biases.
        package var attention: Int
        /// Feed-forward matrices of one dense block, with their biases.
        package var ffn: Int
        /// The two norms of one block.
        package var norms: Int
        /// Router, routed and shared experts of a block with experts, in place of `ffn`; 0 for a dense model.
        package var mixture = 0
        /// Routed experts of a block, a part of `mixture`; and those that one token passes through.
        package var routed = 0
        package var routedActive = 0
        /// Number of blocks, and number of blocks with experts.
        package var layers: Int
        package var mixtureLayers = 0
        /// Token embedding, vocabulary × hidden.
        package var embedding: Int
        /// Output projection, vocabulary × hidden; 0 if it is tied to the embedding.
        package var head: Int
        /// Learned positions, sequence × hidden; 0 with rotary positions.
        package var positions: Int
        /// The norm after the last block.
        package var finalNorm: Int

        /// Parameters of one dense block.
        package var perBlock: Int { attention + ffn + norms }
        /// Parameters of one block with experts.
        package var perMixtureBlock: Int { attention + mixture + norms }
        package var blocks: Int { (layers - mixtureLayers) * perBlock + mixtureLayers * perMixtureBlock }
        package var total: Int { blocks + embedding + head + positions + finalNorm }
        /// All parameters as a `Double`. Within `Bounds` one block fits 64 bits, but all blocks together may not.
        var approximateTotal: Double {
            Double(layers - mixtureLayers) * Double(perBlock) + Double(mixtureLayers) * Double(perMixtureBlock)
                + Double(embedding) + Double(head) + Double(positions) + Double(finalNorm)
        }
        /// Parameters that one token passes through: all but those of the experts it is not routed to.
        package var active: Int { total - mixtureLayers * (routed - routedActive) }
    }

    /// Parameters with a vocabulary of `vocab` entries: sums over the tensors of the model's parts. nil: the model's
    /// own vocabulary, unpadded.
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

    /// Tensor-parallel ranks hold a multiple of this many vocabulary entries (Megatron-LM's
    /// make_vocab_size_divisible_by).
    package static let vocabularyMultiple = 128

    /// Vocabulary rounded up so that every tensor-parallel rank holds a multiple of `vocabularyMultiple` entries.
    package func paddedVocab(tensor: Int) -> Int {
        let step = Self.vocabularyMultiple * max(1, tensor)
        return (vocab + step - 1) / step * step
    }

    /// Weights of a block's products that one token is multiplied by: all except those of experts it is not routed to.
    /// Each weight is a multiply-add for each token.
    package func activeWeights(isMixture: Bool) -> Double {
        let attention = AttentionSpec.products(self).weights
        guard isMixture, let moe else { return attention + FeedForwardSpec.denseProducts(self).weights }
        return attention + FeedForwardSpec.mixtureProducts(self, moe).weights
            + Double(moe.topK) * FeedForwardSpec.expertProducts(self, moe).weights
    }

    /// Weights of the product with the output projection, without padding.
    package var headWeights: Double { End.headProducts(self).weights }
}

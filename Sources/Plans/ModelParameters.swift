extension Model {
    /// Parameters of each part of the model, exact.
    package struct Parameters: Hashable, Codable, Sendable {
        /// Attention projections of one block, with their biases.
        package var attention: Int
        /// Feed-forward matrices of one block, with their biases.
        package var ffn: Int
        /// The two norms of one block.
        package var norms: Int
        /// Blocks of the model.
        package var layers: Int
        /// Token embedding, vocabulary × hidden.
        package var embedding: Int
        /// Output projection, vocabulary × hidden; 0 when tied to the embedding.
        package var head: Int
        /// Learned positions, sequence × hidden; 0 with rotary positions.
        package var positions: Int
        /// The norm after the last block.
        package var finalNorm: Int

        /// One block.
        package var perBlock: Int { attention + ffn + norms }
        package var blocks: Int { layers * perBlock }
        package var total: Int { blocks + embedding + head + positions + finalNorm }
    }

    /// Parameters with a vocabulary of `vocab` entries (the model's own, unpadded, when nil).
    ///
    /// GPT block: 12h² + 13h with multi-head attention and f = 4h (Narayanan et al. 2021, equation 2). Llama block:
    /// 2h·a·d + 2h·g·d attention, 3h·f gated feed-forward, 2h norms. h hidden, a heads, g key/value heads, d head
    /// size, f feed-forward size.
    package func parameters(vocab: Int? = nil) -> Parameters {
        let biased = family == .gpt
        let vocab = vocab ?? self.vocab
        let queries = heads * headSize
        let keys = kvHeads * headSize
        let attention = hidden * queries + 2 * hidden * keys + queries * hidden
        let attentionBiases = biased ? queries + 2 * keys + hidden : 0
        let ffnBiases = biased ? (mlp.matrices - 1) * ffn + hidden : 0
        // LayerNorm has a scale and a shift, RMSNorm a scale.
        let norm = biased ? 2 * hidden : hidden
        return Parameters(
            attention: attention + attentionBiases, ffn: mlp.matrices * hidden * ffn + ffnBiases, norms: 2 * norm,
            layers: layers, embedding: vocab * hidden, head: tiedEmbeddings ? 0 : vocab * hidden,
            positions: family == .gpt ? sequence * hidden : 0, finalNorm: norm)
    }

    /// Vocabulary rounded up so that every tensor-parallel rank holds a multiple of `multiple` entries
    /// (Megatron-LM's make_vocab_size_divisible_by, 128).
    package func paddedVocab(multiple: Int = 128, tensor: Int) -> Int {
        let step = max(1, multiple) * max(1, tensor)
        return (vocab + step - 1) / step * step
    }
}

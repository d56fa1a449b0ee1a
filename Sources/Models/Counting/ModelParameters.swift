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

    /// Parameters with a vocabulary of `vocab` entries (the model's own, unpadded, when nil).
    ///
    /// GPT block: 12h² + 13h with multi-head attention and f = 4h (Narayanan et al. 2021, equation 2). Llama block:
    /// 2h·a·d + 2h·g·d attention, 3h·f gated feed-forward, 2h norms. h hidden, a heads, g key/value heads, d head
    /// size, f feed-forward size. With experts: router hE, E experts of nh·fₑ, shared ones of nh·fₛ. Latent attention:
    /// h·q + q + q·a(dₙ+dᵣ) + h(k+dᵣ) + k + k·a(dₙ+dᵥ) + a·dᵥ·h, the lone q and k the latents' norms (DeepSeek-V2).
    package func parameters(vocab: Int? = nil) -> Parameters {
        let biased = family == .gpt
        let vocab = vocab ?? self.vocab
        let queries = heads * headSize
        let keys = kvHeads * headSize
        let attention = mla.map(latentAttention) ?? hidden * queries + 2 * hidden * keys + queries * hidden
        // Column-parallel layers have a bias of their outputs, the attention's last one of the hidden size.
        let projected = mla.map { heads * ($0.queryHead + $0.nopeSize + $0.valueSize) } ?? queries + 2 * keys
        let attentionBiases = biased ? projected + hidden : 0
        let ffnBiases = biased ? (mlp.matrices - 1) * ffn + hidden : 0
        // LayerNorm has a scale and a shift, RMSNorm a scale.
        let norm = biased ? 2 * hidden : hidden
        var parameters = Parameters(
            attention: attention + attentionBiases, ffn: mlp.matrices * hidden * ffn + ffnBiases, norms: 2 * norm,
            layers: layers, embedding: vocab * hidden, head: tiedEmbeddings ? 0 : vocab * hidden,
            positions: family == .gpt ? sequence * hidden : 0, finalNorm: norm)
        if let moe {
            let expert = mlp.matrices * hidden * moe.ffn
            parameters.routed = moe.experts * expert
            parameters.routedActive = moe.topK * expert
            parameters.mixture = hidden * moe.experts + parameters.routed + mlp.matrices * hidden * moe.sharedWidth
            parameters.mixtureLayers = mixtureLayers
        }
        return parameters
    }

    private func latentAttention(_ mla: LatentAttention) -> Int {
        let queries =
            mla.queryRank > 0
            ? (hidden + 1) * mla.queryRank + mla.queryRank * heads * mla.queryHead : hidden * heads * mla.queryHead
        let latent = hidden * (mla.kvRank + mla.ropeSize) + mla.kvRank
        let keysAndValues = mla.kvRank * heads * (mla.nopeSize + mla.valueSize)
        return queries + latent + keysAndValues + heads * mla.valueSize * hidden
    }

    /// Vocabulary rounded up so that every tensor-parallel rank holds a multiple of `multiple` entries
    /// (Megatron-LM's make_vocab_size_divisible_by, 128).
    package func paddedVocab(multiple: Int = 128, tensor: Int) -> Int {
        let step = max(1, multiple) * max(1, tensor)
        return (vocab + step - 1) / step * step
    }
}

package import Plans

/// Parameters of one block, by what tensor parallelism does with them.
package struct BlockParameters: Hashable, Sendable {
    /// Matrices and the biases of column-parallel layers: divided by the tensor degree.
    package var sharded: Double
    /// Norms and the biases of row-parallel layers: on every tensor rank.
    package var replicated: Double

    package func perDevice(tensor: Int) -> Double { sharded / Double(tensor) + replicated }
}

extension Model {
    /// Weights of the matrix products of one block: every one is a multiply-add a token.
    package var blockWeights: Double { attentionWeights + Double(mlp.matrices) * Double(hidden) * Double(ffn) }

    /// Query, key, value and output projections.
    var attentionWeights: Double { Double(hidden) * Double(headSize) * Double(2 * heads + 2 * kvHeads) }

    /// One block's parameters as Megatron-LM shards them: `gpt` has biases and LayerNorm (two vectors), `llama`
    /// neither biases nor a second vector.
    package var blockParameters: BlockParameters {
        let h = Double(hidden)
        guard family == .gpt else { return BlockParameters(sharded: blockWeights, replicated: 2 * h) }
        let columnBiases = headSize * (heads + 2 * kvHeads) + (mlp.matrices - 1) * ffn
        return BlockParameters(sharded: blockWeights + Double(columnBiases), replicated: 6 * h)
    }

    /// Parameters one device holds of a pipeline rank.
    ///
    /// The position table is on every tensor rank; a tied embedding is held by the first and the last rank.
    /// - Parameters:
    ///   - vocabulary: entries of the embedding, padded or not.
    package func deviceParameters(
        layers: Int, tensor: Int, vocabulary: Int, holdsEmbedding: Bool, holdsHead: Bool
    ) -> Double {
        let (h, t) = (Double(hidden), Double(tensor))
        let table = Double(vocabulary) * h / t
        var total = Double(layers) * blockParameters.perDevice(tensor: tensor)
        if holdsEmbedding { total += table + (family == .gpt ? Double(sequence) * h : 0) }
        if holdsHead {
            total += family == .gpt ? 2 * h : h
            if !tiedEmbeddings || !holdsEmbedding { total += table }
        }
        return total
    }
}

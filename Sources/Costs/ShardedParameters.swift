package import Plans

/// Parameters of one block, by what tensor parallelism does with them (Megatron-LM's layers).
package struct BlockParameters: Hashable, Sendable {
    /// Matrices and the biases of column-parallel layers: divided by the tensor degree.
    package var sharded: Double
    /// Norms and the biases of row-parallel layers: on every tensor rank.
    package var replicated: Double

    package init(_ model: Model) {
        let parameters = model.parameters()
        // The attention output and the second feed-forward product are row-parallel: one bias of h each.
        let rowBiases = model.family == .gpt ? 2 * model.hidden : 0
        replicated = Double(parameters.norms + rowBiases)
        sharded = Double(parameters.perBlock) - replicated
    }

    package func perDevice(tensor: Int) -> Double { sharded / Double(tensor) + replicated }
}

extension Model {
    /// Parameters one device holds of a pipeline rank.
    ///
    /// The position table and the final norm are on every tensor rank; a tied embedding is held by the first and the
    /// last rank.
    /// - Parameters:
    ///   - vocabulary: entries of the embedding, padded or not.
    package func deviceParameters(
        layers: Int, tensor: Int, vocabulary: Int, holdsEmbedding: Bool, holdsHead: Bool
    ) -> Double {
        let parts = parameters(vocab: vocabulary)
        let table = Double(parts.embedding) / Double(tensor)
        var total = Double(layers) * BlockParameters(self).perDevice(tensor: tensor)
        if holdsEmbedding { total += table + Double(parts.positions) }
        if holdsHead {
            total += Double(parts.finalNorm)
            if !tiedEmbeddings || !holdsEmbedding { total += table }
        }
        return total
    }
}

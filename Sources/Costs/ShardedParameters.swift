package import Models
internal import Plans

/// Parameters of one block, by what tensor parallelism does with them (Megatron-LM's layers).
package struct BlockParameters: Hashable, Sendable {
    /// Matrices and the biases of column-parallel layers: divided by the tensor degree.
    package var sharded: Double
    /// Norms and the biases of row-parallel layers: on every tensor rank.
    package var replicated: Double
    /// Routed experts: divided by the expert and expert-tensor degrees.
    package var experts: Double

    /// - Parameter mixture: a block with experts, if the model has any.
    package init(_ model: Model, mixture: Bool = false) {
        let parameters = model.parameters()
        let hasExperts = mixture && model.moe != nil
        // The attention output and the second feed-forward product are row-parallel: one bias of h each. Experts have none.
        let rowBiases = model.family == .gpt ? (hasExperts ? 1 : 2) * model.hidden : 0
        var whole = parameters.norms + rowBiases
        // The projections to the latent vectors, and their norms, are on every tensor rank.
        if let mla = model.mla {
            whole += (model.hidden + 1) * (mla.queryRank + mla.kvRank) + model.hidden * mla.ropeSize
        }
        if hasExperts, let moe = model.moe { whole += model.hidden * moe.experts }
        experts = hasExperts ? Double(parameters.routed) : 0
        replicated = Double(whole)
        sharded = Double(hasExperts ? parameters.perMixtureBlock : parameters.perBlock) - experts - replicated
    }

    /// What one device holds beside routed experts.
    package func perDevice(tensor: Int) -> Double { sharded / Double(tensor) + replicated }
}

extension Model {
    /// Parameters one device holds of a pipeline rank, routed experts aside.
    ///
    /// The position table and the final norm are on every tensor rank; a tied embedding is held by the first and the
    /// last rank.
    /// - Parameters:
    ///   - mixtureLayers: how many of `layers` have experts.
    ///   - vocabulary: entries of the embedding, padded or not.
    package func deviceParameters(
        layers: Int, mixtureLayers: Int = 0, tensor: Int, vocabulary: Int, holdsEmbedding: Bool, holdsHead: Bool
    ) -> Double {
        let parts = parameters(vocab: vocabulary)
        let table = Double(parts.embedding) / Double(tensor)
        var total = Double(layers - mixtureLayers) * BlockParameters(self).perDevice(tensor: tensor)
        if mixtureLayers > 0 {
            total += Double(mixtureLayers) * BlockParameters(self, mixture: true).perDevice(tensor: tensor)
        }
        if holdsEmbedding { total += table + Double(parts.positions) }
        if holdsHead {
            total += Double(parts.finalNorm)
            if !tiedEmbeddings || !holdsEmbedding { total += table }
        }
        return total
    }

    /// Routed experts' parameters one device holds of `mixtureLayers` blocks with experts.
    package func expertParameters(mixtureLayers: Int, expert: Int, expertTensor: Int) -> Double {
        guard mixtureLayers > 0 else { return 0 }
        return Double(mixtureLayers * parameters().routed) / Double(expert * expertTensor)
    }
}

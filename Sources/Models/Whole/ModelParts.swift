/// What a model is made of: its kinds of block, and what its first and last stage have beside blocks.
package struct ModelParts: Sendable {
    /// A block with one feed-forward network.
    package let dense: Block
    /// A block with experts; nil in a dense model.
    package let mixture: Block?
    /// Parameters of the learned positions and of the last norm, whole on every rank that has them.
    package let positions: Int
    package let finalNorm: Int
    private let hidden: Int
    private let isTied: Bool

    package init(_ model: Model) {
        let norms = Part.norms(model)
        let attention = AttentionSpec.of(model)
        dense = Block(hidden: model.hidden, norms: norms, attention: attention, feedForward: .dense(model))
        mixture = model.moe.map {
            Block(hidden: model.hidden, norms: norms, attention: attention, feedForward: .mixture(model, $0))
        }
        positions = model.positions?.count ?? 0
        finalNorm = model.finalNorm.parameters
        hidden = model.hidden
        isTied = model.tiedEmbeddings
    }

    /// The blocks with experts, or those without.
    package func block(isMixture: Bool) -> Block { isMixture ? mixture ?? dense : dense }

    /// The attention of every block.
    package var attention: AttentionSpec { dense.attention }
    package var core: CoreAttention { dense.core }

    /// Parameters of a table that one device holds.
    package func table(vocabulary: Int, tensor: Double) -> Double { Double(vocabulary) * Double(hidden) / tensor }

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
        let table = table(vocabulary: vocabulary, tensor: Double(tensor))
        var total = Double(layers - mixtureLayers) * dense.held(tensor: Double(tensor))
        if mixtureLayers > 0, let mixture { total += Double(mixtureLayers) * mixture.held(tensor: Double(tensor)) }
        if holdsEmbedding { total += table + Double(positions) }
        if holdsHead {
            total += Double(finalNorm)
            if !isTied || !holdsEmbedding { total += table }
        }
        return total
    }

    /// Routed experts' parameters one device holds of `mixtureLayers` blocks with experts.
    package func expertParameters(mixtureLayers: Int, expert: Int, expertTensor: Int) -> Double {
        guard mixtureLayers > 0, let mixture else { return 0 }
        return Double(mixtureLayers * mixture.expertParameters) / Double(expert * expertTensor)
    }
}

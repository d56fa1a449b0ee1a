/// The parts of a model: its kinds of block, and the tables and norms of its first and last stage.
package struct ModelParts: Sendable {
    /// A block with one feed-forward network.
    package let dense: Block
    /// A block with experts; nil in a dense model.
    package let mixture: Block?
    /// Parameters of the learned positions and of the final norm, which every tensor rank of their stage holds whole.
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

    /// The kind of block with experts, or without. A dense model has only the latter.
    package func block(isMixture: Bool) -> Block { isMixture ? mixture ?? dense : dense }

    /// The attention of every block.
    package var attention: AttentionSpec { dense.attention }
    package var core: CoreAttention { dense.core }

    /// Parameters of a vocabulary table that one device holds.
    package func table(vocabulary: Int, tensor: Double) -> Double { Double(vocabulary) * Double(hidden) / tensor }

    /// Parameters that one device of a pipeline rank holds, routed experts excluded.
    ///
    /// Every tensor rank holds the position table and the final norm. The first and the last pipeline rank both hold a
    /// tied embedding.
    /// - Parameters:
    ///   - mixtureLayers: number of blocks with experts among `layers`.
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

    /// Parameters of routed experts that one device holds in `mixtureLayers` blocks with experts.
    package func expertParameters(mixtureLayers: Int, expert: Int, expertTensor: Int) -> Double {
        guard mixtureLayers > 0, let mixture else { return 0 }
        return Double(mixtureLayers * mixture.expertParameters) / Double(expert * expertTensor)
    }
}

/// The parts of a model: its kinds of block, and its two ends.
///
/// A class, because every price asks for them and passing them on must not count four references.
package final class ModelParts: Sendable {
    /// A block with one feed-forward network.
    package let dense: Block
    /// A block with experts; nil in a dense model.
    package let mixture: Block?
    /// Token table and learned positions, on the first stage.
    package let embedding: End
    /// The final norm and the output projection, on the last stage.
    package let head: End
    private let isTied: Bool

    package init(_ model: Model) {
        let norms = Part.norms(model)
        let attention = AttentionSpec.of(model)
        dense = Block(model, norms: norms, attention: attention, feedForward: .dense(model))
        mixture = model.moe.map {
            Block(model, norms: norms, attention: attention, feedForward: .mixture(model, $0))
        }
        embedding = .embedding(model)
        head = .head(model)
        isTied = model.tiedEmbeddings
    }

    /// The kind of block with experts, or without. A dense model has only the latter.
    package func block(isMixture: Bool) -> Block { isMixture ? mixture ?? dense : dense }

    /// The attention of every block.
    package var attention: AttentionSpec { dense.attention }
    package var core: CoreAttention { dense.core }

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
        var total = Double(layers - mixtureLayers) * dense.held(tensor: Double(tensor))
        if mixtureLayers > 0, let mixture { total += Double(mixtureLayers) * mixture.held(tensor: Double(tensor)) }
        if holdsEmbedding { total += embedding.held(vocabulary: vocabulary, tensor: Double(tensor)) }
        if holdsHead {
            total += Double(head.wholeParameters)
            if Model.hasHeadTable(isTied: isTied, holdsEmbedding: holdsEmbedding) {
                total += head.table(vocabulary: vocabulary, tensor: Double(tensor))
            }
        }
        return total
    }

    /// Parameters of routed experts that one device holds in `mixtureLayers` blocks with experts.
    package func expertParameters(mixtureLayers: Int, expert: Int, expertTensor: Int) -> Double {
        guard mixtureLayers > 0, let mixture else { return 0 }
        return Double(mixtureLayers) * mixture.heldExperts(pieces: Double(expert * expertTensor))
    }
}

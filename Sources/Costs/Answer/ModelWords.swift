internal import Models

/// Terms of formulas that several explanations use, as the model's parts state them.
struct ModelWords {
    /// Whether the model has blocks without experts.
    let hasDense: Bool
    /// Whether the model has blocks with experts.
    let hasExperts: Bool
    let hasBiases: Bool
    /// Whether one table serves as embedding and as head.
    let isTied: Bool
    let attention: AttentionWords
    private let parts: ModelParts

    init(_ work: LayoutWork) {
        hasDense = work.model.denseLayers > 0
        hasExperts = work.model.mixtureLayers > 0
        isTied = work.model.tiedEmbeddings
        hasBiases = work.model.conventions.hasBiases
        parts = work.parts
        attention = parts.attention.words
    }

    /// Terms of a feed-forward network: a dense one, or one with experts.
    func feedForward(_ isMixture: Bool) -> FeedForwardWords { parts.block(isMixture: isMixture).feedForward.words }

    /// Formula of the parameters of a block's two norms.
    var norms: String { parts.dense.normWords }
    /// Terms of the embedding, and of the final norm and the head.
    var embedding: EndWords { parts.embedding.words }
    var head: EndWords { parts.head.words }
}

internal import Models

/// Terms of formulas that several explanations take, as the model's parts write them.
struct ModelWords {
    /// Whether the model has blocks without experts.
    let hasDense: Bool
    /// Whether the model has blocks with experts.
    let hasExperts: Bool
    let hasBiases: Bool
    let attention: AttentionWords
    private let parts: ModelParts

    init(_ work: LayoutWork) {
        hasDense = work.model.denseLayers > 0
        hasExperts = work.model.mixtureLayers > 0
        hasBiases = work.model.conventions.hasBiases
        parts = work.parts
        attention = parts.attention.words
    }

    /// Terms of a feed-forward network: dense, or with experts.
    func feedForward(_ isMixture: Bool) -> FeedForwardWords { parts.block(isMixture: isMixture).feedForward.words }

    /// Parameters of the two norms of a block: a scale each, and a shift with biases.
    var norms: String { hasBiases ? "4·h" : "2·h" }
    /// Parameters of the norm behind the last block.
    var finalNorm: String { hasBiases ? "2·h" : "h" }
}

internal import Models

/// Terms of formulas that several explanations use, as the model's parts state them.
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

    /// Terms of a feed-forward network: a dense one, or one with experts.
    func feedForward(_ isMixture: Bool) -> FeedForwardWords { parts.block(isMixture: isMixture).feedForward.words }

    /// Formula of the parameters of a block's two norms: a scale each, and a shift with biases.
    var norms: String { hasBiases ? "4·h" : "2·h" }
    /// Formula of the parameters of the norm after the last block.
    var finalNorm: String { hasBiases ? "2·h" : "h" }
}

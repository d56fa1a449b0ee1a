package import Experiments

/// A ladder of small models that are really trained: what a law of their losses is fitted to, and the next size, whose loss it
/// predicts.
package struct Ladder: Hashable, Codable, Sendable {
    /// The search for the learning rate, at several widths and in both parametrizations.
    package struct Rates: Hashable, Codable, Sendable {
        /// Ascending. The best rate of the first, under μP, is that of the whole ladder.
        package var widths: [Int]
        package var tokens: Int
        /// Ascending.
        package var rates: [Double]
    }

    /// The model that is predicted before it is trained.
    package struct Next: Hashable, Codable, Sendable {
        package var width: Int
        package var tokens: Int
        /// Data-parallel ranks that train it.
        package var processes: Int
    }

    package var name: String
    package var text: WordText
    package var layers: Int
    package var headSize: Int
    package var sequence: Int
    /// Sequences of a step.
    package var batch: Int
    /// Hidden sizes, ascending.
    package var widths: [Int]
    /// Tokens that a model of each width is trained on, ascending.
    package var tokens: [Int]
    /// The width at which learning rates are meant (`train.mup.baseWidth`).
    package var baseWidth: Int
    /// Tokens on which losses are compared, and that no model is trained on.
    package var heldOut: Int
    package var seed: Int
    package var rates: Rates
    package var next: Next

    /// Tokens of a step.
    package var stepTokens: Int { batch * sequence }
    /// Tokens of the longest run.
    package var mostTokens: Int { max(tokens.max() ?? 0, next.tokens, rates.tokens) }
    /// Batches of held-out text.
    package var heldOutBatches: Int { max(1, heldOut / stepTokens) }
}

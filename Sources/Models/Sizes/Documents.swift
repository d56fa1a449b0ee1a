/// The documents that a sequence is packed from. A token sees those before it in its own document alone (Krell et al. 2021;
/// the variable-length kernels of FlashAttention; Megatron-LM, `--reset-attention-mask`).
package struct Documents: Hashable, Codable, Sendable {
    /// Tokens of a document, and how often it occurs beside the others.
    package struct Length: Hashable, Codable, Sendable {
        package var tokens: Int
        package var weight: Double

        package init(tokens: Int, weight: Double = 1) { (self.tokens, self.weight) = (tokens, weight) }
    }

    package var lengths: [Length]

    package init(lengths: [Length]) { self.lengths = lengths }

    /// The mean of `value` over all tokens of sequences of `sequence` tokens, by the tokens of a token's document. Longer
    /// documents are cut at the end of a sequence.
    func mean(sequence: Double, _ value: (_ tokens: Double) -> Double) -> Double {
        var (sum, tokens) = (0.0, 0.0)
        for length in lengths {
            let held = min(Double(length.tokens), sequence)
            tokens += length.weight * held
            sum += length.weight * held * value(held)
        }
        return tokens > 0 ? sum / tokens : value(sequence)
    }
}

/// Conventions of a model family: norms, positions, biases, and the names of tensors.
package struct Conventions: Hashable, Sendable {
    /// Whether matrices have biases and norms a shift as well as a scale (LayerNorm). If not, norms are RMSNorm.
    package var hasBiases: Bool
    /// Whether positions rotate queries and keys. If not, a learned table is added to the embedding.
    package var isRotary: Bool
    /// Whether a matrix is `[outputs, inputs]` in memory. If not, it is `[inputs, outputs]`.
    package var isTransposed: Bool
    /// Whether one matrix computes queries, keys and values, and one all inputs of the feed-forward network's
    /// activation.
    package var joinsProjections: Bool
    package var names: Names

    /// Hugging Face's names of a family's tensors.
    package struct Names: Hashable, Sendable {
        package var table: String
        /// Name of the table of learned positions; nil if there is none.
        package var positions: String?
        /// Names of norms, without `.weight`.
        package var finalNorm: String
        package var attentionNorm: String
        package var feedForwardNorm: String
        package var head = "lm_head.weight"
        /// Prefix of a block's names, before its number.
        package var block: String

        /// Prefix of the names of block `layer`.
        package func block(_ layer: Int) -> String { "\(block)\(layer)." }
    }
}

extension Model {
    package var conventions: Conventions {
        switch family {
        case .gpt:
            Conventions(
                hasBiases: true, isRotary: false, isTransposed: false, joinsProjections: true,
                names: Conventions.Names(
                    table: "wte.weight", positions: "wpe.weight", finalNorm: "ln_f", attentionNorm: "ln_1",
                    feedForwardNorm: "ln_2", block: "h."))
        case .llama:
            Conventions(
                hasBiases: false, isRotary: true, isTransposed: true, joinsProjections: false,
                names: Conventions.Names(
                    table: "model.embed_tokens.weight", positions: nil, finalNorm: "model.norm",
                    attentionNorm: "input_layernorm", feedForwardNorm: "post_attention_layernorm",
                    block: "model.layers."))
        }
    }
}

/// What the layers of a model family have in common: norms, positions, biases, and how its tensors are called.
package struct Conventions: Hashable, Sendable {
    /// Whether matrices have biases and norms a shift beside their scale (LayerNorm); without, norms are RMSNorm.
    package var hasBiases: Bool
    /// Whether positions turn queries and keys; otherwise a learned table is added to the embedding.
    package var isRotary: Bool
    /// Whether a matrix lies `[outputs, inputs]` in memory; otherwise `[inputs, outputs]`.
    package var isTransposed: Bool
    /// Whether one matrix makes queries, keys and values, and one the inputs of the feed-forward network's activation.
    package var joinsProjections: Bool
    package var names: Names

    /// Hugging Face's names.
    package struct Names: Hashable, Sendable {
        package var table: String
        /// nil where no table of positions is learned.
        package var positions: String?
        /// Norms without `.weight`.
        package var finalNorm: String
        package var attentionNorm: String
        package var feedForwardNorm: String
        package var head = "lm_head.weight"
        /// What stands before and behind a block's number.
        package var block: String

        /// The beginning of the names of block `layer`.
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

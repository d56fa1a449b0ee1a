/// Conventions of a model: norms, positions, biases, and the names of tensors.
package struct Conventions: Hashable, Sendable {
    package var norm: Norm
    package var positions: Positions
    /// The products whose results have a bias added.
    package var biases: Set<Bias>
    /// Whether a matrix is `[outputs, inputs]` in memory. If not, it is `[inputs, outputs]`.
    package var isTransposed: Bool
    /// Whether one matrix computes queries, keys and values, and one all inputs of the feed-forward network's
    /// activation.
    package var joinsProjections: Bool
    package var names: Names

    /// Whether positions rotate queries and keys.
    package var isRotary: Bool { positions == .rotary }

    /// Hugging Face's names of a family's tensors.
    package struct Names: Hashable, Sendable {
        package var table: String
        /// Name of the table of learned positions.
        package var positions = "wpe.weight"
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

/// The kind of a model's norms.
package enum Norm: String, Hashable, Codable, Sendable, CaseIterable {
    /// LayerNorm with a scale and a shift (Ba et al. 2016).
    case layerNorm
    /// RMSNorm, with a scale (Zhang and Sennrich 2019).
    case rmsNorm
    /// LayerNorm with a scale alone, as in Cohere's, Databricks' and MosaicML's models.
    case layerNormNoBias
    /// LayerNorm without weights, as in OLMo 1.
    case nonParametric

    package var hasScale: Bool { self != .nonParametric }
    package var hasShift: Bool { self == .layerNorm }
    /// Number of weight tensors of one norm.
    package var tensors: Int { (hasScale ? 1 : 0) + (hasShift ? 1 : 0) }
}

/// How a model knows the positions of tokens.
package enum Positions: String, Hashable, Codable, Sendable, CaseIterable {
    /// A learned table is added to the embedding.
    case learned
    /// Queries and keys are rotated (Su et al. 2021).
    case rotary
    /// Scores fall linearly with distance (Press et al. 2022).
    case alibi
    /// A table of sinusoids, which training does not change, is added to the embedding (Vaswani et al. 2017).
    case sinusoidal
    case none
}

/// Products of a model whose results may have a bias added.
package enum Bias: String, Hashable, Codable, Sendable, CaseIterable, Comparable {
    /// Queries, keys and values.
    case attentionInput
    /// The projection of the attention's result.
    case attentionOutput
    /// Both sides of a dense feed-forward network.
    case feedForward
    /// Both sides of every routed expert.
    case experts
    /// Both sides of the shared experts.
    case sharedExperts
    case router
    case head

    /// The biases of GPT-2 and its kin, which `all` stands for.
    package static let ofGPT: Set<Bias> = [.attentionInput, .attentionOutput, .feedForward]

    package static func < (a: Bias, b: Bias) -> Bool {
        let order = allCases
        return (order.firstIndex(of: a) ?? 0) < (order.firstIndex(of: b) ?? 0)
    }
}

extension Model.Family {
    /// The conventions of the family's models.
    package var conventions: Conventions {
        switch self {
        case .gpt:
            Conventions(
                norm: .layerNorm, positions: .learned, biases: Bias.ofGPT, isTransposed: false, joinsProjections: true,
                names: Conventions.Names(
                    table: "wte.weight", finalNorm: "ln_f", attentionNorm: "ln_1", feedForwardNorm: "ln_2", block: "h.")
            )
        case .llama:
            Conventions(
                norm: .rmsNorm, positions: .rotary, biases: [], isTransposed: true, joinsProjections: false,
                names: Conventions.Names(
                    table: "model.embed_tokens.weight", finalNorm: "model.norm", attentionNorm: "input_layernorm",
                    feedForwardNorm: "post_attention_layernorm", block: "model.layers."))
        }
    }
}

extension Model {
    /// The conventions of the family, with those that the model states itself.
    package var conventions: Conventions {
        var conventions = family.conventions
        if let norm { conventions.norm = norm }
        if let positionKind { conventions.positions = positionKind }
        if let biases { conventions.biases = Set(biases) }
        return conventions
    }
}

internal import Reading

/// The shape of a transformer language model.
package struct Model: Hashable, Codable, Sendable {
    /// The family, whose conventions the blocks follow.
    package enum Family: String, Hashable, Codable, Sendable, CaseIterable {
        /// LayerNorm, learned positions, biases.
        case gpt
        /// RMSNorm, rotary positions, no biases.
        case llama
    }

    /// The activation of the feed-forward network; `swiglu` and `geglu` have three matrices, the others two.
    package enum MLP: String, Hashable, Codable, Sendable, CaseIterable {
        case gelu, relu, squaredRelu, swiglu, geglu

        package var isGated: Bool { self == .swiglu || self == .geglu }
        /// Weight matrices of one feed-forward network.
        package var matrices: Int { isGated ? 3 : 2 }
    }

    /// The name of the shape in `plans/models/`; nil if it has none.
    package var name: String?
    package var family: Family
    package var layers: Int
    package var hidden: Int
    package var heads: Int
    /// Key/value heads (grouped-query attention); equal to `heads` for multi-head attention.
    package var kvHeads: Int
    package var headSize: Int
    package var ffn: Int
    package var mlp: MLP
    /// Vocabulary entries before padding.
    package var vocab: Int
    /// Tokens a sequence.
    package var sequence: Int
    package var tiedEmbeddings: Bool
    /// The experts of a mixture-of-experts model; nil for a dense model.
    package var moe: Mixture?
    /// The sizes of multi-head latent attention; nil for ordinary attention.
    package var mla: LatentAttention?

    package init(
        name: String? = nil, family: Family, layers: Int, hidden: Int, heads: Int, kvHeads: Int? = nil,
        headSize: Int? = nil, ffn: Int? = nil, mlp: MLP? = nil, vocab: Int, sequence: Int, tiedEmbeddings: Bool? = nil,
        moe: Mixture? = nil, mla: LatentAttention? = nil
    ) {
        self.name = name
        self.family = family
        self.layers = layers
        self.hidden = hidden
        self.heads = heads
        self.kvHeads = kvHeads ?? heads
        self.headSize = headSize ?? hidden / max(heads, 1)
        self.ffn = ffn ?? 4 * hidden
        self.mlp = mlp ?? (family == .gpt ? .gelu : .swiglu)
        self.vocab = vocab
        self.sequence = sequence
        self.tiedEmbeddings = tiedEmbeddings ?? (family == .gpt)
        self.moe = moe
        self.mla = mla
    }
}

extension Model {
    /// Sizes that change the blocks, in the order of a written plan.
    package static let blockSizes: [SizeKey<Model>] = [
        .count("layers", in: Bounds.layers, \.layers), .count("hidden", in: Bounds.hidden, \.hidden),
        .count("heads", in: Bounds.heads, \.heads), .count("kvHeads", in: Bounds.heads, \.kvHeads),
        .count("headSize", in: Bounds.headSize, \.headSize), .count("ffn", in: Bounds.ffn, \.ffn),
    ]

    /// Sizes of the text: vocabulary and sequence length.
    package static let textSizes: [SizeKey<Model>] = [
        .count("vocab", in: Bounds.vocab, \.vocab), .count("sequence", in: Bounds.sequence, \.sequence),
    ]

    package static var sizes: [SizeKey<Model>] { blockSizes + textSizes }
}

/// Number format of weights and matrix products.
package enum Precision: String, Hashable, Codable, Sendable, CaseIterable {
    case fp32, fp16, bf16, fp8
}

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
    /// A size that files state under a key of its own. One such value serves to read, write and check it.
    package struct Size: Sendable {
        package var key: String
        package var bounds: ClosedRange<Int>
        /// The model's value; nil if the model has none.
        package var value: @Sendable (Model) -> Int?
        package var set: @Sendable (inout Model, Int) -> Void
    }

    /// Sizes that change the blocks, in the order of a written plan.
    package static let blockSizes: [Size] = [
        Size(key: "layers", bounds: Bounds.layers, value: { $0.layers }, set: { $0.layers = $1 }),
        Size(key: "hidden", bounds: Bounds.hidden, value: { $0.hidden }, set: { $0.hidden = $1 }),
        Size(key: "heads", bounds: Bounds.heads, value: { $0.heads }, set: { $0.heads = $1 }),
        Size(key: "kvHeads", bounds: Bounds.heads, value: { $0.kvHeads }, set: { $0.kvHeads = $1 }),
        Size(key: "headSize", bounds: Bounds.headSize, value: { $0.headSize }, set: { $0.headSize = $1 }),
        Size(key: "ffn", bounds: Bounds.ffn, value: { $0.ffn }, set: { $0.ffn = $1 }),
    ]

    /// Sizes of the text: vocabulary and sequence length.
    package static let textSizes: [Size] = [
        Size(key: "vocab", bounds: Bounds.vocab, value: { $0.vocab }, set: { $0.vocab = $1 }),
        Size(key: "sequence", bounds: Bounds.sequence, value: { $0.sequence }, set: { $0.sequence = $1 }),
    ]

    package static var sizes: [Size] { blockSizes + textSizes }
}

/// Number format of weights and matrix products.
package enum Precision: String, Hashable, Codable, Sendable, CaseIterable {
    case fp32, fp16, bf16, fp8
}

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
    /// Vocabulary entries before padding.
    package var vocab: Int
    /// Tokens a sequence.
    package var sequence: Int
    package var tiedEmbeddings: Bool
    /// The shape of the blocks that are of no other kind.
    package var block: BlockShape
    /// Kinds of block that differ from `block`, by their names in a plan; empty if all blocks have the same keys.
    package var kinds: [BlockKind] = []
    /// Index into `kinds` of every block; empty if there are no kinds.
    package var pattern: [Int] = []

    package init(
        name: String? = nil, family: Family, layers: Int, hidden: Int, heads: Int, kvHeads: Int? = nil,
        headSize: Int? = nil, ffn: Int? = nil, mlp: MLP? = nil, vocab: Int, sequence: Int, tiedEmbeddings: Bool? = nil,
        moe: Mixture? = nil, mla: LatentAttention? = nil
    ) {
        self.name = name
        self.family = family
        self.layers = layers
        self.hidden = hidden
        self.vocab = vocab
        self.sequence = sequence
        self.tiedEmbeddings = tiedEmbeddings ?? (family == .gpt)
        block = BlockShape(
            heads: heads, kvHeads: kvHeads ?? heads, headSize: headSize ?? hidden / max(heads, 1),
            ffn: ffn ?? 4 * hidden, mlp: mlp ?? (family == .gpt ? .gelu : .swiglu), moe: moe, mla: mla)
    }
}

extension Model {
    /// Sizes of the stack of blocks, in the order of a written plan.
    package static let stackSizes: [SizeKey<Model>] = [
        .count("layers", in: Bounds.layers, \.layers), .count("hidden", in: Bounds.hidden, \.hidden),
    ]

    /// Sizes of the text: vocabulary and sequence length.
    package static let textSizes: [SizeKey<Model>] = [
        .count("vocab", in: Bounds.vocab, \.vocab), .count("sequence", in: Bounds.sequence, \.sequence),
    ]

}

/// Number format of weights and matrix products.
package enum Precision: String, Hashable, Codable, Sendable, CaseIterable {
    case fp32, fp16, bf16, fp8
}

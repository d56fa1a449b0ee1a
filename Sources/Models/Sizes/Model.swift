internal import Reading

/// The shape of a transformer: a language model, or a model of images or videos.
package struct Model: Hashable, Codable, Sendable {
    /// The family, whose conventions the blocks follow.
    package enum Family: String, Hashable, Codable, Sendable, CaseIterable {
        /// LayerNorm, learned positions, biases.
        case gpt
        /// RMSNorm, rotary positions, no biases.
        case llama
    }

    /// The activation of the feed-forward network; `swiglu`, `geglu` and `reglu` have three matrices, the others two.
    package enum MLP: String, Hashable, Codable, Sendable, CaseIterable {
        case gelu, relu, squaredRelu, silu, swiglu, geglu, reglu

        package var isGated: Bool { self == .swiglu || self == .geglu || self == .reglu }
        /// Weight matrices of one feed-forward network.
        package var matrices: Int { isGated ? 3 : 2 }
    }

    /// The name of the shape in `plans/models/`; nil if it has none.
    package var name: String?
    package var family: Family
    package var layers: Int
    package var hidden: Int
    /// Vocabulary entries before padding; 0 for images and videos, which have none.
    package var vocab: Int
    /// Tokens a sequence. An image or a video is one sequence.
    package var sequence: Int
    package var tiedEmbeddings: Bool
    /// Kind of the norms; nil: the family's.
    package var norm: Norm?
    /// Kind of the positions; nil: the family's.
    package var positionKind: Positions?
    /// Entries of a table of learned positions; nil: one for each token of a sequence.
    package var positionEntries: Int?
    /// Products with a bias, in the order of `Bias`; nil: the family's.
    package var biases: [Bias]?
    /// Whether a norm follows the embedding, as in BLOOM.
    package var embeddingNorm = false
    /// Whether a norm precedes the head.
    package var hasFinalNorm = true
    /// Width of the token table if it is not the hidden size; projections lead to the hidden size and back, as in OPT
    /// 350M.
    package var embeddingSize: Int?
    /// Parameters outside the blocks in small tensors that no other key describes.
    package var otherParameters = 0
    /// Added to the variance, or to the mean square, in norms; nil: `usualNormEpsilon`.
    package var normEpsilon: Double?
    /// Base of rotary positions, theta; nil: `usualRotaryBase`.
    package var rotaryBase: Double?
    /// Scaling of rotary positions; nil: none.
    package var rotaryScaling: RotaryScaling?
    /// Modules that predict further tokens; nil: there are none.
    package var mtp: MultiTokenPrediction?
    /// Kind of the norms of queries and keys; nil: that of the other norms.
    package var qkNormKind: Norm?
    /// Image or video, text and diffusion; at most one. A list, so that shapes without them stay small.
    var visuals: [Visual] = []
    /// The shape of the blocks that are of no other kind.
    package var block: BlockShape
    /// Kinds of block that differ from `block`, by their names in a plan; empty if all blocks have the same keys.
    package var kinds: [BlockKind] = []
    /// Index into `kinds` of every block; empty if there are no kinds.
    package var pattern: [Int] = []
    /// The documents that sequences are packed from; nil: a sequence is one.
    package var documents: Documents?
    /// Which weights training changes; nil: all.
    package var tuning: Tuning?

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
    package static let stackSizes: [ShapeKey<Model>] = [
        .count("layers", in: Bounds.layers, \.layers), .count("hidden", in: Bounds.hidden, \.hidden),
    ]

    /// Sizes of the text: vocabulary and sequence length.
    package static let textSizes: [ShapeKey<Model>] = [
        .count("vocab", in: Bounds.vocab, \.vocab).unless(\.hasPicture),
        .count("sequence", in: Bounds.sequence, \.sequence).unless(\.hasPicture),
        .flag("tiedEmbeddings", \.tiedEmbeddings, isAlwaysStated: true).unless(\.hasPicture),
    ]

    /// Keys of conventions that differ from those of the family, in the order of a written plan.
    package static let features: [ShapeKey<Model>] = [
        .option("norm", \.norm), .option("positions", \.positionKind),
        .limit("positionEntries", in: Bounds.sequence, \.positionEntries),
        .set("biases", \.biases, words: ["all": Array(Bias.ofGPT).sorted(), "none": []]),
        .flag("embeddingNorm", \.embeddingNorm), .flag("finalNorm", \.hasFinalNorm, standard: true),
        .limit("embeddingSize", in: Bounds.hidden, \.embeddingSize),
        .count("otherParameters", in: 0...Bounds.parameters.upperBound, \.otherParameters, standard: 0),
        .map("mtp", \.mtp, keys: MultiTokenPrediction.sizes, empty: MultiTokenPrediction(layers: 0)),
        .option("qkNormKind", \.qkNormKind), .ratio("normEpsilon", in: 1e-15...1, \.normEpsilon),
        .ratio("rotaryBase", in: 1.001...1e15, \.rotaryBase),
        .map(
            "rotaryScaling", \.rotaryScaling, keys: RotaryScaling.keys, empty: RotaryScaling(kind: .linear, factor: 1)),
        .map("image", \.image, keys: Picture.imageKeys, empty: Picture()),
        .map("video", \.video, keys: Picture.videoKeys, empty: Picture()),
        .map("text", \.text, keys: Text.keys, empty: Text(tokens: 0, width: 0)),
        .map("diffusion", \.diffusion, keys: Diffusion.keys, empty: Diffusion()),
        .limit("classes", in: Bounds.vocab, \.classes),
    ]

    /// Whether tokens are cut from an image or a video.
    package var hasPicture: Bool { picture != nil }
}

/// Number format of weights and matrix products.
package enum Precision: String, Hashable, Codable, Sendable, CaseIterable {
    case fp32, fp16, bf16, fp8
    /// 8 bits with a scaling factor for 32 numbers, and 4 bits with one for 16.
    case mxfp8, nvfp4
}

internal import Reading

/// The shape of one kind of block: its attention and its feed-forward half.
package struct BlockShape: Hashable, Codable, Sendable {
    package var heads: Int
    /// Key/value heads (grouped-query attention); equal to `heads` for multi-head attention.
    package var kvHeads: Int
    package var headSize: Int
    package var ffn: Int
    package var mlp: Model.MLP
    /// The experts; nil: one feed-forward network.
    package var moe: Model.Mixture?
    /// The sizes of multi-head latent attention; nil: ordinary attention.
    package var mla: Model.LatentAttention?
    /// Size of a value head if it is not that of a key head.
    package var valueSize: Int?
    /// Size of the latent vector that queries are projected from; nil: from the residual stream.
    package var queryRank: Int?
    /// Groups of heads whose results are first projected to `outputRank` numbers each; nil: one projection.
    package var outputGroups: Int?
    package var outputRank: Int?
    /// Tokens that a query sees, its own included, if not all before it (sliding window).
    package var window: Int?
    /// Tokens of a chunk, if a query sees only the tokens of its own chunk before it.
    package var chunk: Int?
    /// The blocks of keys that an indexer chooses for a query; nil: it sees all keys, or those of `window` or `chunk`.
    package var keyBlocks: Model.KeyBlocks?
    /// Keys for several tokens each, beside those of `window`; nil: none.
    package var keyCompression: Model.KeyCompression?
    package var qkNorm = QKNorm.none
    package var outputGate = OutputGate.none
    /// Whether each head has a learned score that takes part in the softmax without a value (attention sink).
    package var sinks = false
    package var keyValues = KeyValues.own
    package var halves = Halves.both
    package var norms = NormPlacement.pre
    package var parallel = Parallel.none
    /// Token mixers, in place of the attention or beside it; a block that breaks no rule has at most one.
    package var mixers: [Mixer] = []
    /// Whether the token mixer runs beside the attention, on the same rows, and both results are added.
    package var besideAttention = false
    /// Parameters of a block in small tensors that no other key describes.
    package var extraParameters = 0
    /// Whether the block is that of a multi-token prediction module (`Part.prediction`). No key of a block.
    package var predicts = false
    /// Which weights of the block training changes; nil: all. Follows from the model's `tuning` (`Model.shape(ofBlock:)`).
    package var tuning: BlockTuning?
    /// Whether a query sees only the keys before it.
    package var causal = true
    /// Vectors as wide as the residual stream that scale, shift and gate a sample's rows (adaptive layer norm); 0 if
    /// there are none.
    package var modulation = 0
    package var stream = StreamKind.none
    /// Attention to the text; at most one. A list, so that shapes without one stay small.
    var crossAttentions: [CrossAttention] = []

    package init(
        heads: Int, kvHeads: Int, headSize: Int, ffn: Int, mlp: Model.MLP, moe: Model.Mixture? = nil,
        mla: Model.LatentAttention? = nil
    ) {
        self.heads = heads
        self.kvHeads = kvHeads
        self.headSize = headSize
        self.ffn = ffn
        self.mlp = mlp
        self.moe = moe
        self.mla = mla
    }

    /// The norms of queries and keys before they meet.
    package enum QKNorm: String, Hashable, Codable, Sendable, CaseIterable {
        case none
        /// One norm for each head, with weights that all heads share (Qwen 3).
        case head
        /// One norm for each head, with weights of its own (Cohere).
        case heads
        /// One norm over all heads (OLMo 2).
        case whole
    }

    /// The sigmoid gate that multiplies the attention's result.
    package enum OutputGate: String, Hashable, Codable, Sendable, CaseIterable {
        case none
        /// A gate for every number, computed beside the queries (Qwen 3-Next).
        case elementwise
        /// A gate for every head.
        case head
    }

    /// Where keys and values come from.
    package enum KeyValues: String, Hashable, Codable, Sendable, CaseIterable {
        /// Both are projected.
        case own
        /// Keys are projected and serve as values.
        case keysAreValues
        /// Both are those of an earlier block.
        case shared
    }

    /// The halves that a block has.
    package enum Halves: String, Hashable, Codable, Sendable, CaseIterable {
        case both, attention, feedForward

        package var hasAttention: Bool { self != .feedForward }
        package var hasFeedForward: Bool { self != .attention }
        package var count: Int { self == .both ? 2 : 1 }
    }

    /// The place of the norms of a half.
    package enum NormPlacement: String, Hashable, Codable, Sendable, CaseIterable {
        /// Before the half.
        case pre
        /// Behind the half, before its result is added to the residual stream.
        case post
        case both
    }

    /// Whether both halves read the same residual stream.
    package enum Parallel: String, Hashable, Codable, Sendable, CaseIterable {
        /// One after the other.
        case none
        /// Side by side, behind one norm (GPT-J, PaLM).
        case oneNorm
        /// Side by side, each behind a norm of its own (GPT-NeoX).
        case twoNorms
        /// Side by side, behind one norm, with one projection back of both and one bias of it (Dehghani et al. 2023; the
        /// single-stream blocks of FLUX).
        case fused

        /// Whether both halves read the result of one norm.
        package var sharesNorm: Bool { self == .oneNorm || self == .fused }
    }
}

extension BlockShape {
    /// Sizes of a block, in the order of a written plan.
    package static let sizes: [ShapeKey<BlockShape>] = [
        .count("heads", in: Bounds.heads, \.heads), .count("kvHeads", in: Bounds.heads, \.kvHeads),
        .count("headSize", in: Bounds.headSize, \.headSize), .count("ffn", in: Bounds.ffn, \.ffn),
        .choice("mlp", \.mlp),
    ]

    /// Keys of parts that a plain block lacks, in the order of a written plan.
    private static let ownFeatures: [ShapeKey<BlockShape>] = [
        .map(
            "moe", \.moe, keys: Model.Mixture.sizes, empty: Model.Mixture(experts: 0, topK: 0, ffn: 0),
            finish: { moe, before, stated in
                // Shared experts as wide as routed ones stay so.
                let follows = before.sharedFfn == before.ffn && !stated.contains("sharedFfn")
                if follows || moe.sharedFfn == 0 { moe.sharedFfn = moe.ffn }
            }),
        .map(
            "mla", \.mla, keys: Model.LatentAttention.sizes,
            empty: Model.LatentAttention(queryRank: 0, kvRank: 0, nopeSize: 0, ropeSize: 0, valueSize: 0)),
        .limit("valueSize", in: Bounds.headSize, \.valueSize), .limit("queryRank", in: Bounds.hidden, \.queryRank),
        .limit("outputGroups", in: Bounds.heads, \.outputGroups),
        .limit("outputRank", in: Bounds.hidden, \.outputRank), .limit("window", in: Bounds.sequence, \.window),
        .limit("chunk", in: Bounds.sequence, \.chunk),
        .map(
            "keyBlocks", \.keyBlocks, keys: Model.KeyBlocks.sizes,
            empty: Model.KeyBlocks(size: 0, topK: 0, heads: 0, headSize: 0)),
        .map(
            "keyCompression", \.keyCompression, keys: Model.KeyCompression.sizes,
            empty: Model.KeyCompression(ratio: 0)),
        .choice("qkNorm", \.qkNorm, standard: QKNorm.none),
        .choice("outputGate", \.outputGate, standard: OutputGate.none), .flag("sinks", \.sinks),
        .choice("keyValues", \.keyValues, standard: .own), .choice("halves", \.halves, standard: .both),
        .choice("norms", \.norms, standard: .pre), .choice("parallel", \.parallel, standard: Parallel.none),
        .count("extraParameters", in: 0...Bounds.parameters.upperBound, \.extraParameters, standard: 0),
        .flag("causal", \.causal, standard: true),
        .count("modulation", in: 0...64, \.modulation, standard: 0),
        .choice("stream", \.stream, standard: StreamKind.none),
        .map("crossAttention", \.crossAttention, keys: CrossAttention.keys, empty: CrossAttention()),
    ]
    package static let features = ownFeatures + mixerKeys

    package static var keys: [ShapeKey<BlockShape>] { sizes + features }
}

/// A kind of block with its name in a plan.
package struct BlockKind: Hashable, Codable, Sendable {
    package var name: String
    package var shape: BlockShape

    package init(name: String, shape: BlockShape) {
        self.name = name
        self.shape = shape
    }
}

extension Model {
    package var heads: Int {
        get { block.heads }
        set { block.heads = newValue }
    }
    package var kvHeads: Int {
        get { block.kvHeads }
        set { block.kvHeads = newValue }
    }
    package var headSize: Int {
        get { block.headSize }
        set { block.headSize = newValue }
    }
    package var ffn: Int {
        get { block.ffn }
        set { block.ffn = newValue }
    }
    package var mlp: MLP {
        get { block.mlp }
        set { block.mlp = newValue }
    }
    package var moe: Mixture? {
        get { block.moe }
        set { block.moe = newValue }
    }
    package var mla: LatentAttention? {
        get { block.mla }
        set { block.mla = newValue }
    }
}

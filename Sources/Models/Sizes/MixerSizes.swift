internal import Reading

extension Mixer {
    /// Sizes of Mamba-2 (Dao and Gu 2024).
    package struct Mamba2: Hashable, Codable, Sendable {
        package var heads: Int
        package var headSize: Int
        /// Numbers of the state for each number of a head.
        package var stateSize: Int
        /// Groups of heads that share what is written into the state and read from it.
        package var groups: Int
        /// Tokens that the convolution sees.
        package var kernel: Int
        /// Whether the projections have biases.
        package var bias: Bool
        package var convolutionBias: Bool
        /// Whether a norm precedes the projection of the result.
        package var norm: Bool

        package init(
            heads: Int = 0, headSize: Int = 0, stateSize: Int = 0, groups: Int = 1, kernel: Int = 4, bias: Bool = false,
            convolutionBias: Bool = true, norm: Bool = true
        ) {
            self.heads = heads
            self.headSize = headSize
            self.stateSize = stateSize
            self.groups = groups
            self.kernel = kernel
            self.bias = bias
            self.convolutionBias = convolutionBias
            self.norm = norm
        }

        static let keys: [ShapeKey<Self>] = [
            .count("heads", in: Bounds.heads, \.heads, example: "e.g. 128"),
            .count("headSize", in: Bounds.headSize, \.headSize, example: "e.g. 64"),
            .count("stateSize", in: Bounds.headSize, \.stateSize, example: "e.g. 128"),
            .count("groups", in: Bounds.heads, \.groups, standard: 1),
            .count("kernel", in: kernels, \.kernel, standard: 4), .flag("bias", \.bias),
            .flag("convolutionBias", \.convolutionBias, standard: true), .flag("norm", \.norm, standard: true),
        ]
    }

    /// Sizes of Mamba (Gu and Dao 2023).
    package struct Mamba: Hashable, Codable, Sendable {
        /// Channels, each with a state of its own.
        package var inner: Int
        package var stateSize: Int
        package var kernel: Int
        /// Rank of the projection that gives the channels' step sizes.
        package var stepRank: Int
        package var bias: Bool
        package var convolutionBias: Bool
        /// Whether step sizes and what is written into the state and read from it have norms with weights (Jamba).
        package var norms: Bool

        package init(
            inner: Int = 0, stateSize: Int = 16, kernel: Int = 4, stepRank: Int = 0, bias: Bool = false,
            convolutionBias: Bool = true, norms: Bool = false
        ) {
            self.inner = inner
            self.stateSize = stateSize
            self.kernel = kernel
            self.stepRank = stepRank
            self.bias = bias
            self.convolutionBias = convolutionBias
            self.norms = norms
        }

        static let keys: [ShapeKey<Self>] = [
            .count("inner", in: Bounds.ffn, \.inner, example: "e.g. 8192"),
            .count("stateSize", in: Bounds.headSize, \.stateSize, standard: 16),
            .count("kernel", in: kernels, \.kernel, standard: 4),
            .count("stepRank", in: Bounds.hidden, \.stepRank, example: "e.g. 256"), .flag("bias", \.bias),
            .flag("convolutionBias", \.convolutionBias, standard: true), .flag("norms", \.norms),
        ]
    }

    /// Sizes of the gated delta net (Yang et al. 2024).
    package struct GatedDeltaNet: Hashable, Codable, Sendable {
        /// Heads of queries and keys; each serves the same number of value heads.
        package var keyHeads: Int
        package var valueHeads: Int
        package var keySize: Int
        package var valueSize: Int
        package var kernel: Int

        package init(keyHeads: Int = 0, valueHeads: Int = 0, keySize: Int = 0, valueSize: Int = 0, kernel: Int = 4) {
            self.keyHeads = keyHeads
            self.valueHeads = valueHeads
            self.keySize = keySize
            self.valueSize = valueSize
            self.kernel = kernel
        }

        static let keys: [ShapeKey<Self>] = [
            .count("keyHeads", in: Bounds.heads, \.keyHeads, example: "e.g. 16"),
            .count("valueHeads", in: Bounds.heads, \.valueHeads, example: "e.g. 32"),
            .count("keySize", in: Bounds.headSize, \.keySize, example: "e.g. 128"),
            .count("valueSize", in: Bounds.headSize, \.valueSize, example: "e.g. 128"),
            .count("kernel", in: kernels, \.kernel, standard: 4),
        ]
    }

    /// Sizes of Kimi delta attention (Kimi Team 2025, Kimi Linear).
    package struct KimiDeltaAttention: Hashable, Codable, Sendable {
        package var heads: Int
        package var headSize: Int
        package var kernel: Int
        /// Rank of the projection that gives the decays; nil: a full matrix.
        package var decayRank: Int?
        /// Rank of the projection that gives the output's gate; nil: a full matrix.
        package var gateRank: Int?

        package init(heads: Int = 0, headSize: Int = 0, kernel: Int = 4, decayRank: Int? = nil, gateRank: Int? = nil) {
            self.heads = heads
            self.headSize = headSize
            self.kernel = kernel
            self.decayRank = decayRank
            self.gateRank = gateRank
        }

        static let keys: [ShapeKey<Self>] = [
            .count("heads", in: Bounds.heads, \.heads, example: "e.g. 32"),
            .count("headSize", in: Bounds.headSize, \.headSize, example: "e.g. 128"),
            .count("kernel", in: kernels, \.kernel, standard: 4),
            .limit("decayRank", in: Bounds.hidden, \.decayRank), .limit("gateRank", in: Bounds.hidden, \.gateRank),
        ]
    }

    /// Sizes of lightning attention (Qin et al. 2024; MiniMax 2025, MiniMax-01).
    package struct LightningAttention: Hashable, Codable, Sendable {
        package var heads: Int
        package var headSize: Int

        package init(heads: Int = 0, headSize: Int = 0) {
            self.heads = heads
            self.headSize = headSize
        }

        static let keys: [ShapeKey<Self>] = [
            .count("heads", in: Bounds.heads, \.heads, example: "e.g. 64"),
            .count("headSize", in: Bounds.headSize, \.headSize, example: "e.g. 128"),
        ]
    }

    /// Sizes of a gated short convolution (Liquid AI 2025, LFM2).
    package struct ShortConvolution: Hashable, Codable, Sendable {
        package var kernel: Int
        package var bias: Bool

        package init(kernel: Int = 0, bias: Bool = false) {
            self.kernel = kernel
            self.bias = bias
        }

        static let keys: [ShapeKey<Self>] = [
            .count("kernel", in: kernels, \.kernel, example: "e.g. 3"), .flag("bias", \.bias),
        ]
    }

    /// Sizes of the real-gated linear recurrent unit (De et al. 2024, Griffin).
    package struct RGLRU: Hashable, Codable, Sendable {
        package var width: Int
        /// Blocks on the diagonal of the gates' matrices.
        package var blocks: Int
        package var kernel: Int

        package init(width: Int = 0, blocks: Int = 0, kernel: Int = 4) {
            self.width = width
            self.blocks = blocks
            self.kernel = kernel
        }

        static let keys: [ShapeKey<Self>] = [
            .count("width", in: Bounds.ffn, \.width, example: "e.g. 2560"),
            .count("blocks", in: Bounds.heads, \.blocks, example: "e.g. 10"),
            .count("kernel", in: kernels, \.kernel, standard: 4),
        ]
    }

    /// Size of the time mixing of RWKV-4 (Peng et al. 2023).
    package struct RWKV: Hashable, Codable, Sendable {
        package var attentionSize: Int

        package init(attentionSize: Int = 0) {
            self.attentionSize = attentionSize
        }

        static let keys: [ShapeKey<Self>] = [
            .count("attentionSize", in: Bounds.ffn, \.attentionSize, example: "e.g. 4096")
        ]
    }

    /// Sizes of the mLSTM (Beck et al. 2024, xLSTM).
    package struct MLSTM: Hashable, Codable, Sendable {
        package var heads: Int
        package var keySize: Int
        package var valueSize: Int
        /// Whether the projections have biases. The gates of the heads always have.
        package var bias: Bool

        package init(heads: Int = 0, keySize: Int = 0, valueSize: Int = 0, bias: Bool = false) {
            self.heads = heads
            self.keySize = keySize
            self.valueSize = valueSize
            self.bias = bias
        }

        static let keys: [ShapeKey<Self>] = [
            .count("heads", in: Bounds.heads, \.heads, example: "e.g. 8"),
            .count("keySize", in: Bounds.headSize, \.keySize, example: "e.g. 256"),
            .count("valueSize", in: Bounds.headSize, \.valueSize, example: "e.g. 512"), .flag("bias", \.bias),
        ]
    }

    /// Tokens that a convolution may see.
    private static var kernels: ClosedRange<Int> { 1...1024 }
}

extension BlockShape {
    /// The token mixers, in the order of a written plan. A block has at most one.
    static let mixerKeys: [ShapeKey<BlockShape>] = [
        .map("mamba2", \.mamba2, keys: Mixer.Mamba2.keys, empty: Mixer.Mamba2()),
        .map("mamba", \.mamba, keys: Mixer.Mamba.keys, empty: Mixer.Mamba()),
        .map("gatedDeltaNet", \.gatedDeltaNet, keys: Mixer.GatedDeltaNet.keys, empty: Mixer.GatedDeltaNet()),
        .map(
            "kimiDeltaAttention", \.kimiDeltaAttention, keys: Mixer.KimiDeltaAttention.keys,
            empty: Mixer.KimiDeltaAttention()),
        .map(
            "lightningAttention", \.lightningAttention, keys: Mixer.LightningAttention.keys,
            empty: Mixer.LightningAttention()),
        .map(
            "shortConvolution", \.shortConvolution, keys: Mixer.ShortConvolution.keys, empty: Mixer.ShortConvolution()),
        .map("rgLRU", \.rgLRU, keys: Mixer.RGLRU.keys, empty: Mixer.RGLRU()),
        .map("rwkv", \.rwkv, keys: Mixer.RWKV.keys, empty: Mixer.RWKV()),
        .map("mLSTM", \.mLSTM, keys: Mixer.MLSTM.keys, empty: Mixer.MLSTM()),
        .flag("besideAttention", \.besideAttention),
    ]
}

import Testing

/// A model with token mixers, with the parameters that other software counts.
struct MixerCase: Sendable, CustomTestStringConvertible {
    var name: String
    /// The map `model:` of a plan.
    var model: String
    var parameters: Int
    /// Parameters that a token passes through; nil: all.
    var active: Int?

    var testDescription: String { name }

    /// Small models of every kind that has a token mixer, with mixed sizes and biases. Parameters: transformers 5.24 on
    /// the meta device, where the tied table counts once.
    static let small: [MixerCase] = [
        MixerCase(
            name: "mamba2 1",
            model: """
                {family: llama, layers: 5, hidden: 96, vocab: 331, sequence: 64, halves: attention,
                 mamba2: {heads: 8, headSize: 24, stateSize: 5, groups: 2}}
                """, parameters: 360_428),
        MixerCase(
            name: "mamba2 2",
            model: """
                {family: llama, layers: 6, hidden: 80, vocab: 337, sequence: 64, tiedEmbeddings: true,
                 halves: attention, mamba2: {heads: 6, headSize: 40, stateSize: 7, groups: 3, kernel: 3, bias: true,
                 convolutionBias: false}}
                """, parameters: 406_432),
        MixerCase(
            name: "bamba 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, ffn: 131, vocab: 331, sequence: 64,
                 kinds: {m: {mamba2: {heads: 8, headSize: 24, stateSize: 5, groups: 2}}, a: {}}, pattern: m a m a m}
                """, parameters: 486_324),
        MixerCase(
            name: "bamba 2",
            model: """
                {family: llama, layers: 6, hidden: 80, heads: 4, kvHeads: 2, ffn: 157, vocab: 337, sequence: 64,
                 tiedEmbeddings: true, biases: [attentionInput, attentionOutput, feedForward],
                 kinds: {m: {mamba2: {heads: 6, headSize: 40, stateSize: 7, groups: 3, kernel: 3, bias: true,
                 convolutionBias: false}}, a: {}}, pattern: a m*3 a m}
                """, parameters: 547_932),
        MixerCase(
            name: "mamba 1",
            model: """
                {family: llama, layers: 5, hidden: 96, vocab: 331, sequence: 64, tiedEmbeddings: true,
                 halves: attention, mamba: {inner: 192, stateSize: 5, stepRank: 6}}
                """, parameters: 341_472),
        MixerCase(
            name: "mamba 2",
            model: """
                {family: llama, layers: 6, hidden: 80, vocab: 337, sequence: 64, halves: attention,
                 mamba: {inner: 240, stateSize: 7, kernel: 3, stepRank: 11, bias: true, convolutionBias: false}}
                """, parameters: 472_560),
        MixerCase(
            name: "jamba 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, ffn: 131, vocab: 331, sequence: 64,
                 kinds: {m: {mamba: {inner: 192, stateSize: 5, stepRank: 6, norms: true}}, a: {},
                 me: {mamba: {inner: 192, stateSize: 5, stepRank: 6, norms: true}, moe: {experts: 7, topK: 2, ffn: 131}},
                 ae: {moe: {experts: 7, topK: 2, ffn: 131}}}, pattern: m ae m me a}
                """, parameters: 948_144, active: 570_864),
        MixerCase(
            name: "jamba 2",
            model: """
                {family: llama, layers: 6, hidden: 80, heads: 4, kvHeads: 2, ffn: 157, vocab: 337, sequence: 64,
                 tiedEmbeddings: true, kinds: {
                 m: {mamba: {inner: 240, stateSize: 7, kernel: 3, stepRank: 11, bias: true, convolutionBias: false,
                 norms: true}}, a: {}, ae: {moe: {experts: 5, topK: 3, ffn: 157}},
                 me: {mamba: {inner: 240, stateSize: 7, kernel: 3, stepRank: 11, bias: true, convolutionBias: false,
                 norms: true}, moe: {experts: 5, topK: 3, ffn: 157}}}, pattern: a m ae m a me}
                """, parameters: 823_035, active: 672_315),
        MixerCase(
            name: "qwen3_next 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, headSize: 14, ffn: 131, vocab: 331,
                 sequence: 64, moe: {experts: 7, topK: 2, ffn: 37, shared: 1, sharedFfn: 53, sharedGate: true},
                 kinds: {l: {gatedDeltaNet: {keyHeads: 2, valueHeads: 4, keySize: 7, valueSize: 9}},
                 f: {outputGate: elementwise, qkNorm: head}}, pattern: l*3 f l}
                """, parameters: 606_400, active: 340_000),
        MixerCase(
            name: "olmo_hybrid 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, ffn: 131, vocab: 331, sequence: 64,
                 kinds: {l: {gatedDeltaNet: {keyHeads: 3, valueHeads: 6, keySize: 7, valueSize: 9}},
                 f: {norms: post, qkNorm: whole}}, pattern: l*3 f l}
                """, parameters: 365_604),
        MixerCase(
            name: "kimi_linear 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, ffn: 131, vocab: 331, sequence: 64, kinds: {
                 kd: {kimiDeltaAttention: {heads: 5, headSize: 7, decayRank: 7, gateRank: 7}},
                 ke: {kimiDeltaAttention: {heads: 5, headSize: 7, decayRank: 7, gateRank: 7},
                 moe: {experts: 7, topK: 2, ffn: 37, shared: 1}},
                 f: {mla: {queryRank: 19, kvRank: 17, nopeSize: 12, ropeSize: 6, valueSize: 9},
                 moe: {experts: 7, topK: 2, ffn: 37, shared: 1}}}, pattern: kd ke*3 f}
                """, parameters: 524_346, active: 311_226),
        MixerCase(
            name: "bailing_hybrid 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, ffn: 131, vocab: 331, sequence: 64, kinds: {
                 kd: {kimiDeltaAttention: {heads: 6, headSize: 14}},
                 ke: {kimiDeltaAttention: {heads: 6, headSize: 14}, moe: {experts: 7, topK: 2, ffn: 37, shared: 1}},
                 f: {mla: {queryRank: 19, kvRank: 17, nopeSize: 12, ropeSize: 6, valueSize: 9}, outputGate: head,
                 moe: {experts: 7, topK: 2, ffn: 37, shared: 1}}}, pattern: kd ke f ke*2}
                """, parameters: 660_326, active: 447_206),
        MixerCase(
            name: "latent attention with a gate for each number and a window",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, ffn: 131, vocab: 331, sequence: 64, kinds: {
                 k: {kimiDeltaAttention: {heads: 6, headSize: 14}},
                 f: {mla: {queryRank: 19, kvRank: 17, nopeSize: 12, ropeSize: 6, valueSize: 9}, outputGate: elementwise,
                 window: 16}}, pattern: k f*2 k*2}
                """, parameters: 440_724),
        MixerCase(
            name: "minimax 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, headSize: 14, ffn: 131, vocab: 331,
                 sequence: 64, moe: {experts: 7, topK: 2, ffn: 131},
                 kinds: {l: {lightningAttention: {heads: 6, headSize: 14}}, f: {}}, pattern: l f l l f}
                """, parameters: 1_558_044, active: 614_844),
        MixerCase(
            name: "lfm2 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, ffn: 96, vocab: 331, sequence: 64,
                 tiedEmbeddings: true, kinds: {c: {shortConvolution: {kernel: 3}}, f: {qkNorm: head}},
                 pattern: c f c f c}
                """, parameters: 337_888),
        MixerCase(
            name: "lfm2 2",
            model: """
                {family: llama, layers: 6, hidden: 80, heads: 4, kvHeads: 2, ffn: 157, vocab: 337, sequence: 64,
                 kinds: {c: {shortConvolution: {kernel: 4, bias: true}}, f: {qkNorm: head}}, pattern: c f c*2 f c}
                """, parameters: 424_800),
        MixerCase(
            name: "recurrent_gemma 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, headSize: 16, ffn: 65, mlp: geglu,
                 vocab: 331, sequence: 64, tiedEmbeddings: true, biases: [attentionOutput, feedForward],
                 kinds: {r: {rgLRU: {width: 60, blocks: 6}}, f: {window: 16}}, pattern: r*2 f r*2}
                """, parameters: 232_010),
        MixerCase(
            name: "falcon_h1 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, ffn: 131, vocab: 331, sequence: 64,
                 besideAttention: true, mamba2: {heads: 6, headSize: 10, stateSize: 5, groups: 2, norm: false}}
                """, parameters: 492_458),
        MixerCase(
            name: "falcon_h1 2",
            model: """
                {family: llama, layers: 6, hidden: 80, heads: 4, kvHeads: 2, ffn: 157, vocab: 337, sequence: 64,
                 tiedEmbeddings: true, biases: [attentionInput, attentionOutput, feedForward], besideAttention: true,
                 mamba2: {heads: 8, headSize: 30, stateSize: 7, groups: 4, kernel: 3, bias: true,
                 convolutionBias: false}}
                """, parameters: 760_060),
        MixerCase(
            name: "nemotron_h 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, headSize: 14, ffn: 131, mlp: squaredRelu,
                 vocab: 331, sequence: 64, kinds: {
                 m: {halves: attention, mamba2: {heads: 8, headSize: 9, stateSize: 5, groups: 2}},
                 e: {halves: feedForward, moe: {experts: 7, topK: 2, ffn: 37, shared: 1, sharedFfn: 53}},
                 a: {halves: attention}, f: {halves: feedForward}}, pattern: m e a f m}
                """, parameters: 222_008, active: 186_488),
        MixerCase(
            // Shared experts of granitemoehybrid have the width that its dense network has without experts.
            name: "granitemoehybrid 1",
            model: """
                {family: llama, layers: 5, hidden: 96, heads: 6, kvHeads: 3, ffn: 131, vocab: 331, sequence: 64,
                 moe: {experts: 7, topK: 2, ffn: 131, denseFfn: 53}, kinds: {
                 m: {mamba2: {heads: 8, headSize: 24, stateSize: 5, groups: 2}}, a: {}}, pattern: m a m*2 a}
                """, parameters: 1_697_844, active: 754_644),
        MixerCase(
            name: "xlstm 1",
            model: """
                {family: llama, layers: 5, hidden: 96, ffn: 256, vocab: 331, sequence: 64,
                 mLSTM: {heads: 6, keySize: 8, valueSize: 16}}
                """, parameters: 623_868),
        MixerCase(
            // The receptance of the channel mixing, its two mixtures and the first norm are stated as small tensors.
            name: "rwkv 1",
            model: """
                {family: llama, layers: 5, hidden: 96, ffn: 131, mlp: squaredRelu, vocab: 331, sequence: 64,
                 norm: layerNorm, embeddingNorm: true, extraParameters: 9408, rwkv: {attentionSize: 84}}
                """, parameters: 402_216),
    ]

    /// Published models. Parameters: those of the papers or of their configurations by transformers 5.24 on the meta
    /// device; both where the comment names one.
    static let published: [MixerCase] = [
        MixerCase(
            // The total of Dao and Gu 2024's own checkpoint, whose table is tied.
            name: "Mamba-2 2.7B",
            model: """
                {family: llama, layers: 64, hidden: 2560, vocab: 50288, sequence: 2048, tiedEmbeddings: true,
                 halves: attention, mamba2: {heads: 80, headSize: 64, stateSize: 128}}
                """, parameters: 2_702_599_680),
        MixerCase(
            name: "Mamba 2.8B",
            model: """
                {family: llama, layers: 64, hidden: 2560, vocab: 50280, sequence: 2048, tiedEmbeddings: true,
                 halves: attention, mamba: {inner: 5120, stepRank: 160}}
                """, parameters: 2_768_345_600),
        MixerCase(
            // 7.27B (Zuo et al. 2024).
            name: "Falcon Mamba 7B",
            model: """
                {family: llama, layers: 64, hidden: 4096, vocab: 65024, sequence: 8192, halves: attention,
                 mamba: {inner: 8192, stepRank: 256}}
                """, parameters: 7_272_665_088),
        MixerCase(
            // 52B, 12B of them active (Lieber et al. 2024).
            name: "Jamba 52B",
            model: """
                {family: llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 65536,
                 sequence: 4096, kinds: {m: {mamba: {inner: 8192, stepRank: 256, norms: true}}, a: {},
                 me: {mamba: {inner: 8192, stepRank: 256, norms: true}, moe: {experts: 16, topK: 2, ffn: 14336}}},
                 pattern: (m me m me a me m me)*4}
                """, parameters: 51_570_323_328),
        MixerCase(
            name: "Bamba 9B",
            model: """
                {family: llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 128256,
                 sequence: 4096, kinds: {m: {mamba2: {heads: 128, headSize: 64, stateSize: 128}}, a: {}},
                 pattern: m*9 a m*8 a m*8 a m*4}
                """, parameters: 9_780_235_392),
        nemotronH8B,
        MixerCase(
            // 56.3B (NVIDIA 2025, Nemotron-H, table 1): 54 mixers, 54 networks, 10 attentions.
            name: "Nemotron-H 56B",
            model: """
                {family: llama, layers: 118, hidden: 8192, heads: 64, kvHeads: 8, headSize: 128, ffn: 32768,
                 mlp: squaredRelu, vocab: 131072, sequence: 8192, kinds: {
                 m: {halves: attention, mamba2: {heads: 256, headSize: 64, stateSize: 256, groups: 8}},
                 a: {halves: attention}, f: {halves: feedForward}},
                 pattern: (m f)*3 m a (f m f m f m f m f m a)*9 f (m f)*5}
                """, parameters: 56_324_350_464),
        MixerCase(
            name: "Falcon-H1 34B",
            model: """
                {family: llama, layers: 72, hidden: 5120, heads: 20, kvHeads: 4, headSize: 128, ffn: 21504,
                 vocab: 261120, sequence: 8192, besideAttention: true,
                 mamba2: {heads: 32, headSize: 128, stateSize: 256, groups: 2, norm: false}}
                """, parameters: 33_642_221_312),
        qwen3Next,
        MixerCase(
            // 456B, 45.9B of them active (MiniMax 2025).
            name: "MiniMax-Text-01",
            model: """
                {family: llama, layers: 80, hidden: 6144, heads: 64, kvHeads: 8, headSize: 128, ffn: 9216,
                 vocab: 200064, sequence: 8192, moe: {experts: 32, topK: 2, ffn: 9216},
                 kinds: {l: {lightningAttention: {heads: 64, headSize: 128}}, f: {}}, pattern: (l*7 f)*10}
                """, parameters: 456_089_655_296),
        MixerCase(
            // 1.17B (Liquid AI 2025).
            name: "LFM2 1.2B",
            model: """
                {family: llama, layers: 16, hidden: 2048, heads: 32, kvHeads: 8, ffn: 8192, vocab: 65536,
                 sequence: 4096, tiedEmbeddings: true, kinds: {c: {shortConvolution: {kernel: 3}}, f: {qkNorm: head}},
                 pattern: (c*2 f)*3 (c f)*3 c}
                """, parameters: 1_170_340_608),
        MixerCase(
            // 6.87B (Beck et al. 2025, xLSTM 7B).
            name: "xLSTM 7B",
            model: """
                {family: llama, layers: 32, hidden: 4096, ffn: 10944, vocab: 50304, sequence: 8192,
                 mLSTM: {heads: 8, keySize: 256, valueSize: 512}}
                """, parameters: 6_865_424_896),
        MixerCase(
            // 7B (Peng et al. 2023).
            name: "RWKV-4 7B",
            model: """
                {family: llama, layers: 32, hidden: 4096, ffn: 16384, mlp: squaredRelu, vocab: 50277, sequence: 4096,
                 norm: layerNorm, embeddingNorm: true, extraParameters: 16785408, rwkv: {attentionSize: 4096}}
                """, parameters: 7_392_649_216),
    ]

    /// 8.10B (NVIDIA 2025, Nemotron-H, table 1): 24 mixers, 24 networks, 4 attentions.
    static let nemotronH8B = MixerCase(
        name: "Nemotron-H 8B",
        model: """
            {family: llama, layers: 52, hidden: 4096, heads: 32, kvHeads: 8, headSize: 128, ffn: 21504,
             mlp: squaredRelu, vocab: 131072, sequence: 8192, kinds: {
             m: {halves: attention, mamba2: {heads: 128, headSize: 64, stateSize: 128, groups: 8}},
             a: {halves: attention}, f: {halves: feedForward}},
             pattern: (m f)*3 m a (f m f m f m f m f m a)*3 f (m f)*5}
            """, parameters: 8_100_852_736)

    /// 80B, 3B of them active (Qwen Team 2025).
    static let qwen3Next = MixerCase(
        name: "Qwen3-Next 80B-A3B",
        model: """
            {family: llama, layers: 48, hidden: 2048, heads: 16, kvHeads: 2, headSize: 256, ffn: 5632, vocab: 151936,
             sequence: 8192, moe: {experts: 512, topK: 10, ffn: 512, shared: 1, sharedFfn: 512, sharedGate: true},
             kinds: {l: {gatedDeltaNet: {keyHeads: 16, valueHeads: 32, keySize: 128, valueSize: 128}},
             f: {outputGate: elementwise, qkNorm: head}}, pattern: (l*3 f)*12}
            """, parameters: 79_674_391_296)
}

internal import Reading

/// Decoders whose blocks mix tokens without a softmax, in all blocks or in some, after the modules of transformers 5.24:
/// state spaces, linear recurrences and short convolutions. Those with delta nets stand in `DeltaTypes`.
enum HybridTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "mamba": mamba, "falcon_mamba": mamba, "mamba2": mamba2, "bamba": bamba, "falcon_h1": falconH1,
        "granitemoehybrid": granite, "nemotron_h": nemotron, "jamba": jamba, "recurrent_gemma": recurrentGemma,
        "minimax": minimax, "minimax_m1": minimax, "minimax_text_01": minimax, "MiniMaxText01": minimax,
        "MiniMaxM1": minimax, "lfm2": lfm2, "lfm2_moe": lfm2, "lfm3": lfm3, "rwkv": rwkv, "xlstm": xlstm,
    ]

    /// Rank of the step sizes of Mamba: a number, or `auto`.
    private static func stepRank(_ c: Configuration, _ key: String, hidden: Int) -> Int {
        c.text(key) == nil ? max(1, c.optional(key, from: 1) ?? 1) : max(1, (hidden + 15) / 16)
    }

    private static func mamba(_ c: Configuration) -> Draft {
        let hidden = c.count("hidden_size", or: "d_model")
        let mixer = Mixer.Mamba(
            inner: c.optional("intermediate_size", from: 1) ?? product(c.optional("expand", from: 1) ?? 2, hidden),
            stateSize: c.count("state_size"), kernel: c.count("conv_kernel"),
            stepRank: stepRank(c, "time_step_rank", hidden: hidden), bias: c.flag("use_bias"),
            convolutionBias: c.flag("use_conv_bias", true))
        return Draft(c, hidden: hidden, layers: c.count("num_hidden_layers", or: "n_layer"), mixer: .mamba(mixer))
    }

    private static func mamba2(_ c: Configuration) -> Draft {
        let hidden = c.count("hidden_size", or: "d_model")
        let mixer = Mixer.Mamba2(
            heads: c.count("num_heads"), headSize: c.count("head_dim"), stateSize: c.count("state_size"),
            groups: c.count("n_groups"), kernel: c.count("conv_kernel"), bias: c.flag("use_bias"),
            convolutionBias: c.flag("use_conv_bias", true))
        c.ignore("expand", "time_step_rank")
        return Draft(c, hidden: hidden, layers: c.count("num_hidden_layers", or: "n_layer"), mixer: .mamba2(mixer))
    }

    /// The Mamba-2 of Bamba and Granite, whose keys begin with `mamba_`.
    private static func mamba2(_ c: Configuration, hidden: Int) -> Mixer.Mamba2 {
        let heads = c.count("mamba_n_heads")
        let inner = product(c.optional("mamba_expand", from: 1) ?? 2, hidden)
        let size = c.text("mamba_d_head") == nil ? c.optional("mamba_d_head", from: 1) : nil
        return Mixer.Mamba2(
            heads: heads, headSize: size ?? max(1, inner / heads), stateSize: c.count("mamba_d_state"),
            groups: c.count("mamba_n_groups"), kernel: c.count("mamba_d_conv"), bias: c.flag("mamba_proj_bias"),
            convolutionBias: c.flag("mamba_conv_bias", true))
    }

    private static func bamba(_ c: Configuration) -> Draft {
        var draft = Draft(c)
        let mixer = mamba2(c, hidden: draft.hidden)
        let listed = c.layerNumbers("attn_layer_indices", of: draft.blocks.count) ?? []
        let types = c.words("layer_types")
        draft.each { layer, block in
            let isFull = c.word(types, layer).map { $0.contains("attention") && $0 != "linear_attention" }
            if !(isFull ?? listed.contains(layer)) { block.setMixer(.mamba2(mixer)) }
        }
        return draft
    }

    /// Falcon-H1: attention and Mamba-2 side by side.
    private static func falconH1(_ c: Configuration) -> Draft {
        var draft = Draft(c)
        let hidden = draft.hidden
        var mixer = mamba2(c, hidden: hidden)
        let inner = c.optional("mamba_d_ssm", from: 1) ?? product(c.optional("mamba_expand", from: 1) ?? 2, hidden)
        if c.text("mamba_d_head") != nil { mixer.headSize = max(1, inner / mixer.heads) }
        mixer.norm = c.flag("mamba_rms_norm")
        let (isBiased, hasOutputBias) = (mixer.bias, c.flag("projectors_bias"))
        mixer.bias = isBiased && hasOutputBias
        let ofInputs = product(2, mixer.heads, mixer.headSize) + product(2, mixer.groups, mixer.stateSize) + mixer.heads
        draft.each { block in
            block.mixers = [.mamba2(mixer)]
            block.besideAttention = true
            // Biases of one side alone.
            if isBiased, !hasOutputBias { block.extraParameters = ofInputs }
            if !isBiased, hasOutputBias { block.extraParameters = hidden }
        }
        return draft
    }

    private static func granite(_ c: Configuration) -> Draft {
        let experts = c.optional("num_local_experts") ?? 0
        let shared = c.count("shared_intermediate_size")
        var draft = Draft(c, mlpBias: "", ffn: experts == 0 ? shared : nil)
        let mixer = mamba2(c, hidden: draft.hidden)
        let types = c.words("layer_types")
        c.checkLength(of: types, "layer_types", draft.blocks.count)
        draft.each { layer, block in
            let word = c.word(types, layer)
            if word != "attention", word != "full_attention" { block.setMixer(.mamba2(mixer)) }
        }
        if experts > 0 {
            draft.addExperts(c, "num_local_experts", size: "intermediate_size", shared: 1, sharedSize: shared)
        } else {
            c.ignore("num_experts_per_tok", "intermediate_size")
        }
        return draft
    }

    /// Nemotron-H: every layer has one norm and one mixer, of tokens or of numbers.
    private static func nemotron(_ c: Configuration) -> Draft {
        let letters: [Character: String] = ["M": "mamba", "*": "attention", "-": "mlp", "E": "moe"]
        let written = c.text("hybrid_override_pattern")
        if let odd = written?.first(where: { letters[$0] == nil }) {
            c.report(
                "hybrid_override_pattern", value: "'\(odd)'", rule: "must be of the letters M, *, - and E, one a layer")
        }
        if let written, c.has("num_hidden_layers"), case let layers = c.count("num_hidden_layers"),
            written.count != layers
        {
            c.report(
                "hybrid_override_pattern", value: "\(written.count) letters",
                rule: "must have a letter for each of the \(layers) layers", fix: "or correct num_hidden_layers")
        }
        let pattern = written?.compactMap { letters[$0] }
        let types = c.words("layers_block_type") ?? pattern ?? []
        if types.isEmpty {
            c.report(
                "layers_block_type", rule: "is missing",
                fix: "a nemotron_h configuration has it, or hybrid_override_pattern")
        }
        let heads = c.count("num_attention_heads")
        let hidden = c.count("hidden_size")
        let shape = BlockShape(
            heads: heads, kvHeads: c.optional("num_key_value_heads", from: 1) ?? heads,
            headSize: c.has("attention_head_dim") ? c.count("attention_head_dim") : c.count("head_dim"),
            ffn: c.count("intermediate_size"), mlp: c.plain())
        var draft = Draft(c, hidden: hidden, layers: max(1, types.count), block: shape)
        let mixer = Mixer.Mamba2(
            heads: c.count("mamba_num_heads"), headSize: c.count("mamba_head_dim"),
            stateSize: c.count("ssm_state_size"),
            groups: c.count("n_groups"), kernel: c.count("conv_kernel"), bias: c.flag("use_bias"),
            convolutionBias: c.flag("use_conv_bias", true))
        let latent = c.optional("moe_latent_size", from: 1)
        let hasBias = c.flag("mlp_bias")
        if hasBias { draft.biases = [.feedForward, .sharedExperts] }
        if types.contains("moe") {
            draft.addExperts(
                c, "n_routed_experts", shared: 1, sharedSize: c.count("moe_shared_expert_intermediate_size")
            ) { $0 < types.count && types[$0] == "moe" }
        }
        draft.each { layer, block in
            switch c.word(types, layer) {
            case "mlp": block.halves = .feedForward
            case "moe":
                block.halves = .feedForward
                block.moe?.latentSize = latent
                if let latent, hasBias { block.extraParameters = latent + hidden }
            case "mamba", "linear_attention":
                block.halves = .attention
                block.setMixer(.mamba2(mixer))
            default: block.halves = .attention
            }
        }
        c.ignore("num_hidden_layers", "expand", "n_shared_experts")
        return draft
    }

    private static func jamba(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        let hidden = draft.hidden
        let mixer = Mixer.Mamba(
            inner: product(c.optional("mamba_expand", from: 1) ?? 2, hidden), stateSize: c.count("mamba_d_state"),
            kernel: c.count("mamba_d_conv"), stepRank: stepRank(c, "mamba_dt_rank", hidden: hidden),
            bias: c.flag("mamba_proj_bias"), convolutionBias: c.flag("mamba_conv_bias", true), norms: true)
        let (period, offset) = (c.count("attn_layer_period"), c.optional("attn_layer_offset") ?? 0)
        draft.each { layer, block in if layer % period != offset { block.setMixer(.mamba(mixer)) } }
        let (step, first) = (c.count("expert_layer_period"), c.optional("expert_layer_offset") ?? 0)
        if c.optional("num_experts") ?? 0 > 1 {
            draft.addExperts(c, "num_experts", size: "intermediate_size") { $0 % step == first }
        }
        return draft
    }

    private static func recurrentGemma(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "", ffn: max(1, c.count("intermediate_size") / 2))
        draft.biases = [.feedForward, .attentionOutput]
        if c.flag("attention_bias") { draft.biases.insert(.attentionInput) }
        let mixer = Mixer.RGLRU(
            width: c.optional("lru_width", from: 1) ?? draft.hidden, blocks: draft.blocks[0].heads,
            kernel: c.count("conv1d_width"))
        let types = c.words("layers_block_type") ?? c.words("block_types") ?? []
        let window = c.optional("attention_window_size", from: 1)
        draft.each { layer, block in
            if types.isEmpty ? layer % 3 != 2 : types[layer % types.count] != "attention" {
                block.setMixer(.rgLRU(mixer))
            } else {
                block.window = window
            }
        }
        return draft
    }

    /// MiniMax-01 and M1: lightning attention in most layers.
    private static func minimax(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        if let size = c.optional("head_dim", from: 1) { draft.each { $0.headSize = size } }
        let first = draft.blocks[0]
        let mixer = Mixer.LightningAttention(heads: first.heads, headSize: first.headSize)
        let types = c.words("layer_types")
        c.checkLength(of: types, "layer_types", draft.blocks.count)
        let listed = c.counts("attn_type_list")
        draft.addExperts(c, "num_local_experts", size: "intermediate_size")
        draft.each { layer, block in
            let isLinear =
                c.word(types, layer).map { $0 == "linear_attention" }
                ?? listed.map { layer < $0.count && $0[layer] == 0 } ?? (layer % 2 == 1)
            if isLinear { block.setMixer(.lightningAttention(mixer)) }
        }
        return draft
    }

    private static func rwkv(_ c: Configuration) -> Draft {
        let hidden = c.count("hidden_size")
        var block = BlockShape(
            heads: 1, kvHeads: 1, headSize: 1, ffn: c.optional("intermediate_size", from: 1) ?? product(4, hidden),
            mlp: .squaredRelu)
        block.setMixer(.rwkv(Mixer.RWKV(attentionSize: c.optional("attention_hidden_size", from: 1) ?? hidden)))
        // Two mixings with the last token, and the gate of the feed-forward network.
        block.extraParameters = product(2, hidden) + product(hidden, hidden)
        var draft = Draft(c, hidden: hidden, layers: c.count("num_hidden_layers"), block: block)
        draft.norm = .layerNorm
        draft.positions = .none
        draft.embeddingNorm = true
        if let longest = c.optional("context_length", from: 1) { draft.longest = longest }
        return draft
    }

    private static func xlstm(_ c: Configuration) -> Draft {
        let hidden = c.count("hidden_size", or: "embedding_dim")
        let heads = c.count("num_heads")
        let step = max(1, c.optional("ffn_round_up_to_multiple_of", from: 1) ?? 64)
        func part(_ key: String, _ standard: Double) -> Double {
            min(1e7, max(1, Double(hidden) * max(0, c.number(key) ?? standard)))
        }
        let width = Int((part("ffn_proj_factor", 2.667) + Double(step - 1)) / Double(step)) * step
        let isBiased = c.flag("use_bias")
        let mixer = Mixer.MLSTM(
            heads: heads, keySize: max(1, Int(part("qk_dim_factor", 0.5)) / heads),
            valueSize: max(1, Int(part("v_dim_factor", 1)) / heads), bias: isBiased)
        var block = BlockShape(heads: 1, kvHeads: 1, headSize: 1, ffn: max(1, width), mlp: .swiglu)
        block.setMixer(.mLSTM(mixer))
        // Shifts of both norms.
        if isBiased { block.extraParameters = product(2, hidden) }
        var draft = Draft(c, hidden: hidden, layers: c.count("num_hidden_layers", or: "num_blocks"), block: block)
        if isBiased { draft.biases = [.feedForward] }
        draft.positions = .none
        return draft
    }
}

extension HybridTypes {
    /// LFM2 and its experts.
    fileprivate static func lfm2(_ c: Configuration) -> Draft {
        let isMixture = c.type == "lfm2_moe"
        var width = c.has("block_ff_dim") ? c.count("block_ff_dim") : c.count("intermediate_size")
        if !isMixture, c.flag("block_auto_adjust_ff_dim", true) {
            let step = c.optional("block_multiple_of", from: 1) ?? 256
            let scaled = Double(width * 2 / 3) * max(0, min(1e3, c.number("block_ffn_dim_multiplier") ?? 1))
            width = max(1, (Int(scaled) + step - 1) / step * step)
        }
        var draft = Draft(c, attentionBias: "", mlpBias: "", ffn: width)
        if let isTied = c.optionalFlag("tie_embedding") { draft.isTied = isTied }
        let full = c.layerNumbers("full_attn_idxs", of: draft.blocks.count)
        draft.setConvolutions(c) { layer in full.map { !$0.contains(layer) } ?? false }
        if isMixture {
            let first = c.optional("num_dense_layers") ?? 0
            draft.addExperts(c, "num_experts") { $0 >= first }
        }
        return draft
    }

    fileprivate static func lfm3(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        let (isGated, isSandwich) = (c.flag("use_attention_gate", true), c.flag("use_sandwich_norm", true))
        draft.each { block in
            if isGated { block.outputGate = .head }
            if isSandwich { block.norms = .both }
        }
        let window = c.optional("sliding_window", from: 1)
        let types = c.words("layer_types")
        draft.each { layer, block in
            let word = c.word(types, layer) ?? (layer > 0 && layer % 4 == 0 ? "sliding_attention" : "")
            if word == "sliding_attention" { block.window = window }
        }
        draft.setConvolutions(c) { $0 % 4 != 2 && ($0 % 4 != 0 || $0 == 0) }
        draft.leaveGateWithoutBias()
        return draft
    }
}

extension Draft {
    /// A decoder of blocks that have a token mixer alone, behind one norm.
    fileprivate init(_ c: Configuration, hidden: Int, layers: Int, mixer: Mixer) {
        var block = BlockShape(heads: 1, kvHeads: 1, headSize: 1, ffn: 1, mlp: .swiglu)
        block.halves = .attention
        block.setMixer(mixer)
        self.init(c, hidden: hidden, layers: layers, block: block)
        positions = .none
    }

    /// Puts short convolutions in place of the attention of some blocks: those of `layer_types`, else those of `standard`.
    fileprivate mutating func setConvolutions(_ c: Configuration, where standard: (Int) -> Bool) {
        let types = c.words("layer_types")
        c.checkLength(of: types, "layer_types", blocks.count)
        let mixer = Mixer.ShortConvolution(kernel: c.count("conv_L_cache"), bias: c.flag("conv_bias"))
        each { layer, block in
            block.qkNorm = .head
            if c.word(types, layer).map({ $0 == "conv" }) ?? standard(layer) {
                block.setMixer(.shortConvolution(mixer))
            }
        }
    }
}

extension BlockShape {
    /// Puts a token mixer in place of the attention.
    mutating func setMixer(_ mixer: Mixer) {
        mixers = [mixer]
        (mla, window, chunk, valueSize, queryRank, outputGroups, outputRank) = (nil, nil, nil, nil, nil, nil, nil)
        (qkNorm, outputGate, keyValues) = (.none, .none, .own)
        sinks = false
    }
}

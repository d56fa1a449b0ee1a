internal import Reading

/// Decoders with LayerNorm: GPT-2 and its kin, after the modules of transformers 5.24.
enum GPTTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "gpt2": gpt2, "gpt-sw3": gpt2, "gpt_bigcode": gpt2,
        "openai-gpt": { c in
            var draft = gpt2(c)
            draft.hasFinalNorm = false
            draft.each { $0.ffn = product(4, c.count("hidden_size", or: "n_embd")) }
            return draft
        },
        "gpt_neo": gptNeo, "gpt_neox": gptNeoX, "gpt_neox_japanese": gptNeoXJapanese, "gptj": gptJ, "codegen": gptJ,
        "bloom": bloom, "opt": opt, "mpt": mpt, "phi": phi, "falcon": falcon, "starcoder2": starcoder2,
        "stablelm": stableLM, "persimmon": persimmon, "xglm": xglm, "biogpt": bioGPT,
        "ctrl": { c in
            var draft = plain(c, ffn: c.optional("dff", from: 1))
            draft.positions = .none
            draft.biases = Bias.ofGPT.union([.head])
            if let longest = c.optional("n_positions", from: 1) { draft.longest = longest }
            return draft
        },
        "modernbert-decoder": modernBERT,
    ]

    /// A decoder of blocks with as many key heads as heads, whose keys have several spellings.
    static func plain(_ c: Configuration, ffn: Int?, isGated: Bool = false) -> Draft {
        let hidden = c.count("hidden_size", or: "n_embd", "d_model", "embed_dim")
        let heads = c.count("num_attention_heads", or: "n_head", "n_heads", "num_heads", "attention_heads")
        let block = BlockShape(
            heads: heads, kvHeads: heads, headSize: max(1, hidden / heads), ffn: ffn ?? product(4, hidden),
            mlp: isGated ? c.gated() : c.plain())
        var draft = Draft(
            c, hidden: hidden, layers: c.count("num_hidden_layers", or: "n_layer", "n_layers", "num_layers", "layers"),
            block: block)
        draft.norm = .layerNorm
        return draft
    }

    static func gpt2(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("n_inner", from: 1))
        draft.positions = .learned
        draft.positionEntries = c.count("max_position_embeddings", or: "n_positions")
        draft.longest = draft.positionEntries ?? draft.longest
        draft.biases = Bias.ofGPT
        if c.type == "gpt_bigcode", c.flag("multi_query", true) { draft.each { $0.kvHeads = 1 } }
        return draft
    }

    private static func gptNeo(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("intermediate_size", from: 1))
        draft.positions = .learned
        draft.positionEntries = draft.longest
        draft.biases = [.attentionOutput, .feedForward]
        let kinds = c.words("attention_layers")
        let window = c.optional("window_size", from: 1)
        draft.each { layer, block in
            if c.word(kinds, layer) == "local" || kinds == nil && layer % 2 == 1 { block.window = window }
        }
        c.ignore("attention_types")
        return draft
    }

    private static func gptNeoX(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("intermediate_size", from: 1))
        draft.biases = [.feedForward]
        if c.flag("attention_bias", true) { draft.biases.formUnion([.attentionInput, .attentionOutput]) }
        if c.flag("use_parallel_residual", true) { draft.each { $0.parallel = .twoNorms } }
        return draft
    }

    private static func gptNeoXJapanese(_ c: Configuration) -> Draft {
        let multiple = c.optional("intermediate_multiple_size", from: 1) ?? 4
        var draft = plain(c, ffn: product(multiple, c.count("hidden_size")))
        // The last block's output projection alone has a bias.
        draft.otherParameters = draft.hidden
        return draft
    }

    private static func gptJ(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("n_inner", from: 1))
        draft.biases = [.feedForward, .head]
        draft.each { $0.parallel = .oneNorm }
        if let longest = c.optional("n_positions", from: 1) { draft.longest = longest }
        return draft
    }

    private static func bloom(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: nil)
        draft.positions = .alibi
        draft.biases = Bias.ofGPT
        draft.embeddingNorm = true
        if let longest = c.optional("seq_length", from: 1) { draft.longest = longest }
        return draft
    }

    private static func opt(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("ffn_dim", from: 1))
        draft.positions = .learned
        // Position 0 is that of padding, and a further row is left empty.
        draft.positionEntries = draft.longest + 2
        if c.flag("enable_bias", true) { draft.biases = Bias.ofGPT }
        if !c.flag("layer_norm_elementwise_affine", true) { draft.norm = .nonParametric }
        if let size = c.optional("word_embed_proj_dim", from: 1), size != draft.hidden { draft.embeddingSize = size }
        let isBefore = c.flag("do_layer_norm_before", true)
        draft.hasFinalNorm = isBefore && !c.flag("_remove_final_layer_norm")
        if !isBefore { draft.each { $0.norms = .post } }
        return draft
    }

    private static func xglm(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("ffn_dim", from: 1))
        draft.positions = .none
        draft.biases = Bias.ofGPT
        return draft
    }

    private static func bioGPT(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("intermediate_size", from: 1))
        draft.positions = .learned
        draft.positionEntries = draft.longest + 2
        draft.biases = Bias.ofGPT
        return draft
    }

    private static func mpt(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: nil)
        draft.norm = .layerNormNoBias
        draft.positions = .alibi
        if let longest = c.optional("max_seq_len", from: 1) { draft.longest = longest }
        return draft
    }

    private static func phi(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        draft.norm = .layerNorm
        draft.biases = Bias.ofGPT.union([.head])
        let hasNorm = c.flag("qk_layernorm")
        draft.each { block in
            block.mlp = c.plain()
            block.parallel = .oneNorm
            if hasNorm { block.qkNorm = .head }
        }
        return draft
    }

    static func falcon(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("ffn_hidden_size", from: 1))
        let isNew = c.flag("new_decoder_architecture")
        let groups = c.optional("num_kv_heads", from: 1)
        let isMultiQuery = c.flag("multi_query", true)
        let isParallel = isNew || c.flag("parallel_attn", true)
        let norms = c.optional("num_ln_in_parallel_attn") ?? (isNew ? 2 : 1)
        draft.positions = c.flag("alibi") ? .alibi : .rotary
        if c.flag("bias") { draft.biases = Bias.ofGPT }
        draft.each { block in
            block.kvHeads = isNew ? groups ?? block.heads : isMultiQuery ? 1 : block.heads
            if isParallel { block.parallel = norms == 2 ? .twoNorms : .oneNorm }
        }
        return draft
    }

    private static func starcoder2(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        draft.norm = .layerNorm
        if c.flag("use_bias", true) { draft.biases = Bias.ofGPT }
        draft.each { $0.mlp = c.plain() }
        draft.setWindows(c) { _ in true }
        return draft
    }

    static func stableLM(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        draft.norm = .layerNorm
        if c.flag("use_qkv_bias") { draft.biases.insert(.attentionInput) }
        let (hasNorm, isParallel) = (c.flag("qk_layernorm"), c.flag("use_parallel_residual"))
        draft.each { block in
            if isParallel { block.parallel = .oneNorm }
            // A scale for each number of each head.
            if hasNorm { block.extraParameters = product(block.heads + block.kvHeads, block.headSize) }
        }
        return draft
    }

    private static func persimmon(_ c: Configuration) -> Draft {
        var draft = plain(c, ffn: c.optional("intermediate_size", from: 1))
        draft.biases = Bias.ofGPT
        if c.flag("qk_layernorm", true) { draft.each { $0.qkNorm = .head } }
        return draft
    }

    private static func modernBERT(_ c: Configuration) -> Draft {
        var draft = Draft(c)
        draft.norm = c.flag("norm_bias") ? .layerNorm : .layerNormNoBias
        draft.embeddingNorm = true
        if c.flag("decoder_bias", true) { draft.biases.insert(.head) }
        let window = c.optional("local_attention", from: 1).map { $0 / 2 + 1 }
        let types = c.words("layer_types")
        draft.each { layer, block in
            let word = c.word(types, layer)
            if word.map({ $0 == "sliding_attention" }) ?? (layer % 3 != 0) { block.window = window }
        }
        // A product before the head. Its norm has the size of the norm that the first block lacks.
        draft.otherParameters = product(draft.hidden, draft.hidden)
        return draft
    }
}

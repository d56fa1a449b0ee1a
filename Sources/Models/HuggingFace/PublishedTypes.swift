internal import Reading

/// Model types of published files whose code is not in transformers, after the code beside the files.
enum PublishedTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "qwen": qwen, "chatglm": chatGLM, "internlm2": internLM, "internlm": internLM,
        "baichuan": plain, "Yi": plain, "xverse": plain, "aquila": plain, "minicpm": plain,
        "llava_llama": { Draft($0) }, "llava_mistral": plain, "phi3_v": DenseTypes.phi3, "phi4mm": DenseTypes.phi3,
        "llava_qwen": DenseTypes.qwen2, "dots_ocr": DenseTypes.qwen2,
        "orion": { c in
            var draft = Draft(c, mlpBias: "")
            draft.norm = .layerNorm
            return draft
        },
        "bailing_moe": bailing, "bailing_moe_v2": bailing,
        "RefinedWeb": GPTTypes.falcon, "RefinedWebModel": GPTTypes.falcon, "stablelm_epoch": GPTTypes.stableLM,
    ]

    private static func plain(_ c: Configuration) -> Draft { Draft(c, attentionBias: "", mlpBias: "") }

    private static func internLM(_ c: Configuration) -> Draft { Draft(c, attentionBias: "bias", mlpBias: "") }

    /// Qwen 1 (QwenLM/Qwen, modeling_qwen.py): `intermediate_size` counts both inputs of the gated activation.
    private static func qwen(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "", ffn: max(1, c.count("intermediate_size") / 2))
        if let size = c.optional("kv_channels", from: 1) { draft.each { $0.headSize = size } }
        draft.each { $0.kvHeads = $0.heads }
        draft.biases = [.attentionInput]
        if let longest = c.optional("seq_length", from: 1) { draft.longest = longest }
        draft.isTied = c.flag("tie_word_embeddings")
        return draft
    }

    /// ChatGLM 2 and 3, GLM-4 (THUDM/chatglm3-6b, modeling_chatglm.py).
    private static func chatGLM(_ c: Configuration) -> Draft {
        let (hidden, heads) = (c.count("hidden_size"), c.count("num_attention_heads"))
        let groups = c.flag("multi_query_attention") ? c.optional("multi_query_group_num", from: 1) ?? 1 : heads
        let block = BlockShape(
            heads: heads, kvHeads: groups, headSize: c.optional("kv_channels", from: 1) ?? max(1, hidden / heads),
            ffn: c.count("ffn_hidden_size"), mlp: .swiglu)
        var draft = Draft(
            c, hidden: hidden, layers: c.count("num_layers", or: "num_hidden_layers"), block: block,
            vocab: c.count("padded_vocab_size", or: "vocab_size"))
        if let longest = c.optional("seq_length", from: 1) { draft.longest = longest }
        if !c.flag("rmsnorm", true) { draft.norm = .layerNorm }
        if c.flag("add_bias_linear") { draft.biases = Bias.ofGPT }
        if c.flag("add_qkv_bias") { draft.biases.insert(.attentionInput) }
        draft.hasFinalNorm = c.flag("post_layer_norm", true)
        draft.isTied = c.flag("tie_word_embeddings")
        return draft
    }

    /// Ling (inclusionAI, modeling_bailing_moe.py and modeling_bailing_moe_v2.py).
    private static func bailing(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "use_bias", mlpBias: "use_bias")
        if let size = c.optional("head_dim", from: 1) { draft.each { $0.headSize = size } }
        if c.flag("use_qkv_bias") { draft.biases.insert(.attentionInput) }
        if c.flag("use_qk_norm") { draft.each { $0.qkNorm = .head } }
        let first = c.denseLayers() ?? 0
        draft.addExperts(
            c, "num_experts", shared: c.optional("num_shared_experts") ?? 0,
            sharedSize: c.optional("moe_shared_expert_intermediate_size", from: 1)
        ) { $0 >= first }
        draft.isTied = c.flag("tie_word_embeddings")
        return draft
    }
}

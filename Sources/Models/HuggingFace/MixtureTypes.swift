internal import Numbers
internal import Reading

/// Decoders with experts and ordinary attention, after the modules of transformers 5.24.
enum MixtureTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "mixtral": { c in
            var draft = Draft(c, attentionBias: "", mlpBias: "")
            draft.addExperts(c, "num_local_experts", size: "intermediate_size")
            draft.setWindows(c) { _ in true }
            return draft
        },
        "olmoe": { c in
            var draft = Draft(c, mlpBias: "")
            draft.each { $0.qkNorm = .whole }
            draft.addExperts(c, "num_experts", size: "intermediate_size")
            return draft
        },
        "flex_olmo": { c in
            var draft = Draft(c, mlpBias: "")
            draft.each { block in
                block.qkNorm = .whole
                block.norms = .post
            }
            draft.addExperts(c, "num_experts", size: "intermediate_size")
            return draft
        },
        "phimoe": { c in
            var draft = Draft(c, mlpBias: "")
            draft.norm = .layerNorm
            if c.flag("lm_head_bias") { draft.biases.insert(.head) }
            draft.addExperts(c, "num_local_experts", size: "intermediate_size")
            return draft
        },
        "granitemoe": granite, "granitemoeshared": granite, "granitemoe_swa": granite,
        "gpt_oss": gptOSS, "dbrx": dbrx, "qwen2_moe": qwen2, "qwen3_moe": qwen3, "mellum": qwen3,
        "qwen3_vl_moe_text": qwen3, "qwen3_omni_moe_text": qwen3,
        "glm4_moe": glm4, "glm4v_moe_text": glm4, "sarvam_moe": glm4, "solar_open": glm4,
        "dots1": dots, "exaone_moe": dots, "hy_v3": hunyuan3, "llama4_text": llama4, "mimo_v2_flash": mimo2,
        "hunyuan_v1_moe": hunyuan, "ernie4_5_moe": ernie, "ernie4_5_vl_moe_text": ernie, "ernie4_5_moe_vl": ernie,
        "minimax_m2": minimax2,
        "minimax_m3_vl_text": minimax3, "minimax_m3": minimax3,
        "cohere2_moe": cohere2, "aria_text": aria, "kolibri1": kolibri, "flint": flint,
    ]

    private static func granite(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        let shared = c.type == "granitemoe" ? 0 : c.optional("shared_intermediate_size") ?? 0
        draft.addExperts(
            c, "num_local_experts", size: "intermediate_size", shared: shared > 0 ? 1 : 0, sharedSize: shared)
        if c.type == "granitemoe_swa" {
            draft.each { $0.sinks = true }
            draft.setWindows(c) { _ in false }
        }
        return draft
    }

    private static func gptOSS(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.biases.formUnion([.router, .experts])
        draft.each { $0.sinks = true }
        draft.addExperts(c, "num_local_experts", size: "intermediate_size")
        draft.setWindows(c) { $0 % 2 == 0 }
        return draft
    }

    private static func dbrx(_ c: Configuration) -> Draft {
        let hidden = c.count("d_model", or: "hidden_size")
        let heads = c.count("n_heads", or: "num_attention_heads")
        let attention = c.map("attn_config")
        let experts = c.map("ffn_config")
        let size = experts?.optional("ffn_hidden_size", from: 1) ?? 3584
        var draft = Draft(
            c, hidden: hidden, layers: c.count("n_layers", or: "num_hidden_layers"),
            block: BlockShape(
                heads: heads, kvHeads: attention?.optional("kv_n_heads", from: 1) ?? 1,
                headSize: max(1, hidden / heads),
                ffn: size, mlp: .swiglu))
        draft.norm = .layerNormNoBias
        draft.isTied = false
        if let longest = c.optional("max_seq_len", from: 1) { draft.longest = longest }
        let moe = Model.Mixture(
            experts: experts?.optional("moe_num_experts", from: 1) ?? 4,
            topK: experts?.optional("moe_top_k", from: 1) ?? 1, ffn: size)
        draft.each { $0.moe = moe }
        return draft
    }

    /// Blocks with experts are those outside `mlp_only_layers` at every `decoder_sparse_step`.
    static func isQwenMixture(_ c: Configuration) -> (Int) -> Bool {
        let dense = c.layerNumbers("mlp_only_layers", of: c.layers) ?? []
        let step = max(1, c.optional("decoder_sparse_step", from: 1) ?? 1)
        let hasExperts = c.optional("num_experts") ?? 1 > 0
        return { hasExperts && !dense.contains($0) && ($0 + 1) % step == 0 }
    }

    private static func qwen2(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        if c.flag("qkv_bias", true) { draft.biases.insert(.attentionInput) }
        draft.setQwenWindows(c)
        draft.addQwenExperts(c)
        return draft
    }

    private static func qwen3(_ c: Configuration) -> Draft {
        var draft = DenseTypes.qwen3(c)
        if c.type == "mellum" {
            draft.addExperts(c, "num_experts", where: draft.sparse(c) { _ in true })
        } else {
            draft.addExperts(c, "num_experts", where: isQwenMixture(c))
        }
        return draft
    }

    private static func glm4(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        if c.flag("attention_bias", c.type == "glm4v_moe_text") { draft.biases.insert(.attentionInput) }
        if c.type != "solar_open", c.flag("use_qk_norm") { draft.each { $0.qkNorm = .head } }
        let first = c.type == "solar_open" ? 0 : c.denseLayers() ?? 0
        draft.addExperts(
            c, "n_routed_experts", shared: c.optional("n_shared_experts") ?? 0, where: draft.sparse(c) { $0 >= first })
        return draft
    }

    private static func dots(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: c.type == "dots1" ? "attention_bias" : "", mlpBias: "")
        draft.each { $0.qkNorm = .head }
        let first = c.denseLayers() ?? (c.type == "dots1" ? 0 : 1)
        draft.addExperts(
            c, c.type == "dots1" ? "n_routed_experts" : "num_experts",
            shared: c.optional(c.type == "dots1" ? "n_shared_experts" : "num_shared_experts") ?? 0,
            where: draft.sparse(c) { $0 >= first })
        draft.setWindows(c) { _ in false }
        return draft
    }

    private static func hunyuan3(_ c: Configuration) -> Draft {
        var draft = Draft(c)
        draft.each { $0.qkNorm = .head }
        draft.addExperts(
            c, "num_experts", shared: c.optional("num_shared_experts") ?? 1, where: draft.sparse(c) { $0 >= 1 })
        return draft
    }

    private static func llama4(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        let size = c.count("intermediate_size")
        let dense = c.optional("intermediate_size_mlp", from: 1) ?? size
        let step = max(1, c.optional("interleave_moe_layer_step", from: 1) ?? 1)
        let listed = c.layerNumbers("moe_layers", of: draft.blocks.count)
        draft.each { $0.ffn = dense }
        draft.addExperts(c, "num_local_experts", size: "intermediate_size", shared: 1, sharedSize: size) { layer in
            listed?.contains(layer) ?? (layer % step == step - 1)
        }
        let plain = c.counts("no_rope_layers")
        let chunk = c.optional("attention_chunk_size", from: 1)
        if c.words("layer_types") == nil {
            // Layers without positions see all tokens.
            draft.each { layer, block in
                let isGlobal = plain.map { layer < $0.count && $0[layer] == 0 } ?? ((layer + 1) % 4 == 0)
                if !isGlobal { block.chunk = chunk }
            }
        } else {
            draft.setWindows(c) { _ in false }
        }
        return draft
    }

    private static func mimo2(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        if c.flag("attention_bias") { draft.biases.insert(.attentionInput) }
        let value = c.optional("v_head_dim", from: 1)
        draft.each { $0.valueSize = value }
        let types = c.words("layer_types")
        let window = c.optional("sliding_window", from: 1)
        draft.each { layer, block in
            let isLocal =
                c.word(types, layer).map { $0 == "sliding_attention" } ?? !(layer == 0 || (layer + 1) % 6 == 0)
            guard isLocal else { return }
            block.window = window
            block.kvHeads *= 2
            block.sinks = true
        }
        draft.addExperts(c, "n_routed_experts", where: draft.sparse(c) { $0 >= 1 })
        c.ignore(
            "hybrid_layer_pattern", "moe_layer_freq", "swa_num_key_value_heads", "swa_head_dim", "swa_v_head_dim",
            "swa_num_attention_heads", "hybrid_block_size")
        return draft
    }

    private static func hunyuan(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { $0.qkNorm = .head }
        let size = c.count("intermediate_size")
        draft.addExperts(
            c, "num_experts", size: "intermediate_size", shared: 1, sharedSize: size, topKey: "moe_topk")
        return draft
    }

    private static func ernie(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "use_bias", mlpBias: "use_bias")
        let isVision = c.type != "ernie4_5_moe"
        if !isVision, c.flag("use_bias") { draft.biases.insert(.head) }
        // Layer -1 is the last.
        let last = c.optional("moe_layer_end_index", from: -1).flatMap { $0 < 0 ? nil : $0 } ?? draft.blocks.count - 1
        let first = c.optional("moe_layer_start_index") ?? 1
        let step = max(1, c.optional("moe_layer_interval", from: 1) ?? 1)
        draft.addExperts(
            c, "moe_num_experts", shared: c.optional("moe_num_shared_experts") ?? 0, topKey: "moe_k",
            where: draft.sparse(c) { ($0 + 1) % step == 0 && $0 >= first && $0 <= last })
        // The bias of the router's choice is a parameter here.
        draft.each { if let moe = $0.moe { $0.extraParameters = moe.experts } }
        if isVision, let sizes = c.value("moe_intermediate_size")?.list?.map(\.count), sizes.count > 1,
            let size = sizes[1],
            let block = draft.blocks.last, let moe = block.moe
        {
            // Images have experts of their own beside those of text.
            let experts = c.value("moe_num_experts")?.list?.last?.count ?? moe.experts
            let one = product(block.mlp.matrices, size, draft.hidden) + draft.hidden + 1
            let blocks = draft.blocks.count { $0.moe != nil }
            draft.notes.append(
                "experts of images beside those of text, \(Figures.grouped(product(blocks, experts, one))) parameters "
                    + "in all, are not counted")
        }
        return draft
    }

    private static func minimax2(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        draft.each { $0.qkNorm = .whole }
        draft.addExperts(c, "num_local_experts", size: "intermediate_size")
        return draft
    }

    private static func minimax3(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        let sparse = c.map("sparse_attention_config")
        let isIndexed = (sparse?.counts("sparse_attention_freq")) ?? []
        let heads = sparse?.optional("sparse_num_index_heads") ?? c.optional("index_n_heads") ?? 0
        let size = sparse?.optional("sparse_index_dim") ?? c.optional("index_head_dim") ?? 0
        let keys = sparse?.optional("sparse_block_size", from: 1) ?? c.optional("index_block_size", from: 1) ?? 128
        let chosen = sparse?.optional("sparse_topk_blocks", from: 1) ?? c.optional("index_topk_blocks", from: 1) ?? 16
        let isSparse = c.counts("moe_layer_freq")
        let dense = c.optional("dense_intermediate_size", from: 1)
        let shared = c.optional("shared_intermediate_size") ?? 0
        let types = c.words("layer_types")
        draft.each { layer, block in
            block.qkNorm = .head
            if let dense { block.ffn = dense }
            let word = c.word(types, layer)
            let has = word.map { $0 != "full_attention" } ?? (layer < isIndexed.count && isIndexed[layer] == 1)
            if has, heads > 0, size > 0 {
                block.keyBlocks = Model.KeyBlocks(size: keys, topK: chosen, heads: heads, headSize: size)
            }
        }
        draft.addExperts(
            c, "num_local_experts", size: "intermediate_size", shared: shared > 0 ? 1 : 0, sharedSize: shared,
            where: draft.sparse(c) { layer in isSparse.map { layer < $0.count && $0[layer] != 0 } ?? true })
        c.ignore("n_shared_experts", "num_mtp_modules", "num_nextn_predict_layers", "moe_intermediate_size")
        return draft
    }

    private static func cohere2(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.norm = .layerNormNoBias
        let dense = c.optional("prefix_dense_intermediate_size", from: 1)
        let size = c.count("intermediate_size")
        let first = c.denseLayers() ?? 0
        draft.each { block in
            block.parallel = .oneNorm
            if let dense { block.ffn = dense }
        }
        let shared = c.optional("num_shared_experts") ?? 0
        draft.addExperts(
            c, "num_experts", size: "intermediate_size", shared: shared, sharedSize: size,
            where: draft.sparse(c) { $0 >= first })
        draft.setWindows(c) { ($0 + 1) % 4 != 0 }
        return draft
    }

    private static func aria(_ c: Configuration) -> Draft {
        var draft = Draft(c)
        draft.addExperts(
            c, "moe_num_experts", size: "intermediate_size", shared: c.optional("moe_num_shared_experts") ?? 0,
            topKey: "moe_topk")
        return draft
    }

    private static func kolibri(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { block in
            block.qkNorm = .head
            block.norms = .both
        }
        let shared = c.optional("shared_expert_intermediate_size") ?? 0
        draft.addExperts(c, "num_experts", shared: shared > 0 ? 1 : 0, sharedSize: shared)
        draft.setWindows(c) { _ in false }
        return draft
    }

    private static func flint(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { block in
            block.qkNorm = .head
            block.sinks = true
        }
        let dense = c.layerNumbers("mlp_only_layers", of: draft.blocks.count) ?? [0, 1]
        let step = max(1, c.optional("decoder_sparse_step", from: 1) ?? 1)
        let shared = c.optional("shared_expert_intermediate_size") ?? 0
        draft.addExperts(c, "num_experts", shared: shared > 0 ? 1 : 0, sharedSize: shared) { layer in
            !dense.contains(layer) && (layer + 1) % step == 0
        }
        draft.setWindows(c) { _ in false }
        return draft
    }

}

extension Draft {
    /// Gives the blocks that `isMixture` names experts.
    /// - Parameters:
    ///   - key: key of the number of routed experts.
    ///   - size: key of a routed expert's size.
    ///   - shared: number of shared experts, each of `sharedSize` (nil: that of a routed expert).
    ///   - topKey: key of the experts of a token.
    mutating func addExperts(
        _ c: Configuration, _ key: String, size: String = "moe_intermediate_size", shared: Int = 0,
        sharedSize: Int? = nil, topKey: String = "num_experts_per_tok", where isMixture: (Int) -> Bool = { _ in true }
    ) {
        let experts = c.first(key) ?? 0
        guard experts > 0, blocks.indices.contains(where: isMixture) else { return }
        let width = max(1, c.first(size, isNeeded: true) ?? 1)
        let most = c.value(topKey)?.list?.compactMap(\.count).max()
        let topK = most ?? c.optional(topKey, from: 1)
        if topK == nil, c.value(topKey) == nil {
            notes.append("\(topKey) is not given: every token counts as passing through all \(experts) experts")
        }
        let moe = Model.Mixture(
            experts: experts, topK: topK ?? experts, ffn: width, shared: shared, sharedFfn: sharedSize)
        each { layer, block in if isMixture(layer) { block.moe = moe } }
    }

    /// Qwen's experts, with one shared expert and its gate.
    /// - Parameter isEverywhere: whether all blocks have experts.
    mutating func addQwenExperts(_ c: Configuration, isEverywhere: Bool = false) {
        let shared = c.optional("shared_expert_intermediate_size") ?? 0
        addExperts(
            c, "num_experts", shared: shared > 0 ? 1 : 0, sharedSize: shared,
            where: isEverywhere ? { _ in true } : MixtureTypes.isQwenMixture(c))
        each { block in if block.moe != nil, shared > 0 { block.moe?.sharedGate = true } }
    }

    /// Whether a block has experts: by `mlp_layer_types` where a configuration has it, else by `standard`.
    func sparse(_ c: Configuration, _ standard: @escaping (Int) -> Bool) -> (Int) -> Bool {
        guard let types = c.words("mlp_layer_types") else { return standard }
        c.checkLength(of: types, "mlp_layer_types", blocks.count)
        return { layer in (c.word(types, layer) ?? "sparse") != "dense" }
    }
}

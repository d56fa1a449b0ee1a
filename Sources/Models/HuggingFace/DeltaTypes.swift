internal import Numbers
internal import Reading

/// Decoders with delta nets in most blocks, after the modules of transformers 5.24: Qwen 3-Next and 3.5, Kimi Linear and
/// their kin.
enum DeltaTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "qwen3_next": qwen, "qwen3_5_text": qwen, "qwen3_5_moe_text": qwen, "lara_mini": lara,
        "olmo_hybrid": olmo, "kimi_linear": kimi, "bailing_hybrid": bailing, "glm5_next_text": glm5,
    ]

    private static func deltaNet(_ c: Configuration) -> Mixer {
        .gatedDeltaNet(
            Mixer.GatedDeltaNet(
                keyHeads: c.count("linear_num_key_heads"), valueHeads: c.count("linear_num_value_heads"),
                keySize: c.count("linear_key_head_dim"), valueSize: c.count("linear_value_head_dim"),
                kernel: c.count("linear_conv_kernel_dim")))
    }

    private static func qwen(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "", ffn: c.type == "qwen3_5_moe_text" ? 1 : nil)
        let mixer = deltaNet(c)
        let types = c.words("layer_types")
        c.checkLength(of: types, "layer_types", draft.blocks.count)
        let period = max(1, c.optional("full_attention_interval", from: 1) ?? 4)
        switch c.type {
        case "qwen3_next": draft.addQwenExperts(c)
        case "qwen3_5_moe_text": draft.addQwenExperts(c, isEverywhere: true)
        default: break
        }
        draft.each { layer, block in
            block.qkNorm = .head
            block.outputGate = .elementwise
            let isLinear = c.word(types, layer).map { $0 == "linear_attention" } ?? ((layer + 1) % period != 0)
            if isLinear { block.setMixer(mixer) }
        }
        return draft
    }

    private static func lara(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "", ffn: 1)
        let mixer = deltaNet(c)
        let standard = [
            "linear_attention", "sliding_attention", "linear_attention", "full_attention", "sliding_attention",
        ]
        let types = c.words("layer_types") ?? draft.blocks.indices.map { standard[$0 % 5] }
        c.checkLength(of: types, "layer_types", draft.blocks.count)
        let window = c.optional("sliding_window", from: 1)
        let shared = c.optional("shared_expert_intermediate_size") ?? 0
        draft.addExperts(c, "num_experts", shared: shared > 0 ? 1 : 0, sharedSize: shared)
        draft.each { layer, block in
            block.qkNorm = .head
            switch c.word(types, layer) {
            case "linear_attention": block.setMixer(mixer)
            case "sliding_attention": block.window = window
            default: break
            }
        }
        return draft
    }

    /// OLMo Hybrid: norms stand before delta nets and behind attention.
    private static func olmo(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        let heads = draft.blocks[0].heads
        let keyHeads = c.optional("linear_num_key_heads", from: 1) ?? heads
        let keySize = c.optional("linear_key_head_dim", from: 1) ?? max(1, draft.hidden * 3 / 4 / keyHeads)
        let mixer = Mixer.GatedDeltaNet(
            keyHeads: keyHeads, valueHeads: c.optional("linear_num_value_heads", from: 1) ?? heads, keySize: keySize,
            valueSize: c.optional("linear_value_head_dim", from: 1) ?? 2 * keySize,
            kernel: c.optional("linear_conv_kernel_dim", from: 1) ?? 4)
        let types = c.words("layer_types")
        c.checkLength(of: types, "layer_types", draft.blocks.count)
        let last = draft.blocks.count - 1
        draft.each { layer, block in
            let isFull =
                c.word(types, layer).map { $0 == "full_attention" } ?? (layer % 4 == 3 || last < 3 && layer == last)
            if isFull {
                block.qkNorm = .whole
                block.norms = .post
            } else {
                block.setMixer(.gatedDeltaNet(mixer))
            }
        }
        return draft
    }

    /// Sizes of Kimi delta attention, which a configuration keeps in a map of its own or not.
    private static func kimiDelta(_ c: Configuration, heads: Int, size: Int) -> Mixer.KimiDeltaAttention {
        let own = c.map("linear_attn_config")
        let count = own?.optional("num_heads", from: 1) ?? c.optional("linear_num_heads", from: 1) ?? heads
        let size = own?.optional("head_dim", from: 1) ?? c.optional("linear_head_dim", from: 1) ?? size
        let kernel =
            own?.optional("short_conv_kernel_size", from: 1) ?? c.optional("linear_conv_kernel_dim", from: 1)
            ?? c.optional("short_conv_kernel_size", from: 1) ?? 4
        return Mixer.KimiDeltaAttention(heads: count, headSize: size, kernel: kernel, decayRank: size, gateRank: size)
    }

    private static func kimi(_ c: Configuration) -> Draft {
        var draft = LatentTypes.dense(c)
        let own = c.map("linear_attn_config")
        var mixer = kimiDelta(c, heads: draft.blocks[0].heads, size: 128)
        if own?.flag("use_full_rank_gate") ?? false { mixer.gateRank = nil }
        // Layers are counted from 1.
        let listed = own?.layerNumbers("kda_layers", of: draft.blocks.count, from: 1)
        let types = c.words("layer_types")
        let first = c.denseLayers() ?? 1
        let step = max(1, c.optional("moe_layer_freq", from: 1) ?? 1)
        draft.addExperts(
            c, "num_local_experts", shared: c.optional("n_shared_experts") ?? 0,
            where: draft.sparse(c) { $0 >= first && $0 % step == 0 })
        let hasGate = c.flag("mla_use_output_gate")
        draft.each { layer, block in
            let isLinear =
                c.word(types, layer).map { $0 == "linear_attention" } ?? listed?.contains(layer + 1)
                ?? !(layer > 0 && layer % 4 == 0)
            if isLinear {
                block.extraParameters = 0
                block.setMixer(.kimiDeltaAttention(mixer))
            } else if hasGate {
                block.outputGate = .elementwise
            }
        }
        draft.addKimi3(c)
        return draft
    }

    /// Ling's delta attention: full matrices give decays and gates.
    private static func bailing(_ c: Configuration) -> Draft {
        var draft = LatentTypes.dense(c, rope: c.optional("qk_rope_head_dim") ?? 64)
        var mixer = kimiDelta(c, heads: draft.blocks[0].heads, size: c.optional("head_dim", from: 1) ?? 128)
        (mixer.decayRank, mixer.gateRank) = (nil, nil)
        let types = c.words("layer_types")
        let period = max(1, c.optional("layer_group_size", from: 1) ?? 6)
        let first = c.denseLayers() ?? 2
        draft.addExperts(
            c, "num_local_experts", shared: c.optional("n_shared_experts") ?? 0,
            where: draft.sparse(c) { $0 >= first })
        draft.each { layer, block in
            if c.word(types, layer).map({ $0 == "linear_attention" }) ?? ((layer + 1) % period != 0) {
                block.extraParameters = 0
                block.setMixer(.kimiDeltaAttention(mixer))
            } else {
                block.outputGate = .head
            }
        }
        return draft
    }

    private static func glm5(_ c: Configuration) -> Draft {
        var draft = LatentTypes.dense(c, rope: c.optional("qk_rope_head_dim") ?? 0)
        let mixer = kimiDelta(c, heads: draft.blocks[0].heads, size: 128)
        let (hidden, streams) = (draft.hidden, c.count("hc_mult"))
        let indexer = LatentTypes.indexer(c)
        let pool = c.optional("index_kpool") ?? 16
        let hasIndexer = LatentTypes.indexed(c)
        let types = c.words("layer_types")
        let streamsOfHalf = product(2 + streams, streams, streams, hidden) + product(2 + streams, streams) + 3
        draft.addDeepSeekExperts(c)
        draft.each { layer, block in
            if c.word(types, layer).map({ $0 == "linear_attention" }) ?? (layer % 4 != 3) {
                block.extraParameters = 0
                block.setMixer(.kimiDeltaAttention(mixer))
            } else if hasIndexer(layer) {
                block.mla?.indexer = indexer
                // The pooling of the indexer's keys.
                block.extraParameters += product(pool + hidden, indexer.headSize)
            }
            block.extraParameters += 2 * streamsOfHalf
        }
        return draft
    }
}

extension Draft {
    /// Adds what Kimi K3 has beside Kimi Linear: residuals of blocks by attention, and experts on latent rows.
    fileprivate mutating func addKimi3(_ c: Configuration) {
        let hidden = hidden
        if c.optional("attn_res_block_size") ?? 0 > 0 {
            // A norm and a query before each half and before the head.
            each { $0.extraParameters += product(4, hidden) }
            otherParameters += product(2, hidden)
        }
        guard let size = c.optional("routed_expert_hidden_size", from: 1) else { return }
        let hasNorm = c.flag("latent_moe_use_norm")
        each { block in
            guard block.moe != nil else { return }
            block.moe?.latentSize = size
            if hasNorm { block.extraParameters += size }
        }
        guard let moe = blocks.last?.moe else { return }
        let expert = product(3, size, moe.ffn)
        notes.append(
            "the \(Figures.grouped(moe.experts)) experts of a layer work on latent rows of \(Figures.grouped(size)) numbers, "
                + "\(Figures.grouped(expert)) parameters each; the biases of the router's choice are not counted")
    }
}

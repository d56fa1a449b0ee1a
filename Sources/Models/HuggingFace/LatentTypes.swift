internal import Numbers
internal import Reading

/// Decoders with latent attention: DeepSeek and its kin, after the modules of transformers 5.24.
enum LatentTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "deepseek_v2": deepseek, "deepseek_v3": deepseek, "kimi_k2": deepseek, "sarvam_mla": deepseek,
        "glm4_moe_lite": deepseek, "mistral4": deepseek, "axk1": deepseek,
        "deepseek": ocr,
        "deepseek_v32": sparse, "glm_moe_dsa": sparse, "hy_v4": hunyuan4, "hy_v4_vl_text": hunyuan4,
        "deepseek_v4": deepseekV4, "dots3_note_text": dots3,
        "mistral_large4_text": large,
        "minicpm3": { dense($0) }, "youtu": { dense($0) }, "longcat_flash": longcat,
        "deepseek_ocr2_text": ocr, "unlimited_ocr_text": ocr, "deepseek_vl_v2": ocr,
    ]

    /// A decoder of latent attention and dense feed-forward networks.
    /// - Parameter rope: size of the rotary part of a head; nil: that of `qk_rope_head_dim`, or `head_dim`.
    static func dense(_ c: Configuration, rope: Int? = nil) -> Draft {
        let hasBiases = ["deepseek_v2", "minicpm3"].contains(c.type)
        var draft = Draft(c, attentionBias: "", mlpBias: hasBiases ? "mlp_bias" : "", headSize: 1)
        let rope = rope ?? c.optional("qk_rope_head_dim") ?? c.optional("head_dim") ?? 64
        let nope = c.optional("qk_nope_head_dim") ?? 128
        let value = c.optional("v_head_dim") ?? max(1, draft.hidden / draft.blocks[0].heads)
        let mla = Model.LatentAttention(
            queryRank: c.optional("q_lora_rank") ?? 0, kvRank: c.count("kv_lora_rank"), nopeSize: nope, ropeSize: rope,
            valueSize: value)
        c.ignore("qk_head_dim")
        // Biases of both down-projections and of the output.
        let isBiased = c.flag("attention_bias")
        let bias = isBiased ? mla.queryRank + mla.kvRank + rope + draft.hidden : 0
        draft.each { block in
            block.mla = mla
            block.kvHeads = block.heads
            block.headSize = mla.queryHead
            block.extraParameters = bias
        }
        return draft
    }

    private static func deepseek(_ c: Configuration) -> Draft {
        var draft = dense(c)
        draft.addDeepSeekExperts(c)
        let hidden = draft.hidden
        if c.type == "axk1" { draft.each { if $0.moe != nil { $0.extraParameters += hidden } } }
        return draft
    }

    /// DeepSeek-V3.2 and GLM-5: an indexer chooses the keys of every query.
    private static func sparse(_ c: Configuration) -> Draft {
        var draft = deepseek(c)
        let (indexer, isIndexed) = (indexer(c), indexed(c))
        draft.each { layer, block in if isIndexed(layer) { block.mla?.indexer = indexer } }
        return draft
    }

    static func indexer(_ c: Configuration) -> Model.Indexer {
        Model.Indexer(
            heads: c.count("index_n_heads"), headSize: c.count("index_head_dim"),
            topK: c.optional("index_topk", from: 1) ?? 2048)
    }

    /// The layers with an indexer of their own. The others take the choice of the last one before them.
    static func indexed(_ c: Configuration) -> (Int) -> Bool {
        let types = c.words("indexer_types")
        let pattern = c.text("index_topk_pattern").map { $0.map(String.init) } ?? c.words("index_topk_pattern")
        let (frequency, offset) = (c.optional("index_topk_freq") ?? 1, c.optional("index_skip_topk_offset") ?? 2)
        return { layer in
            if c.type == "deepseek_v32" { return true }
            if let word = c.word(types, layer) { return word == "full" }
            if let letter = c.word(pattern, layer) { return letter == "F" || letter == "full" }
            if c.type.hasPrefix("hy_v4") { return layer == 0 || (layer - 1) % 4 == 0 }
            return max(layer - offset + 1, 0) % max(1, frequency) == 0
        }
    }

    /// Sparse latent attention with a gate and sinks, and several residual streams (hyper-connections).
    private static func hunyuan4(_ c: Configuration) -> Draft {
        var draft = sparse(c)
        let (h, streams) = (draft.hidden, c.count("hc_mult"))
        let ofHalf = product(2, streams, streams, h) + 2 * streams + 2
        draft.each { block in
            block.outputGate = .elementwise
            block.extraParameters += block.heads + 2 * ofHalf
        }
        draft.otherParameters = product(streams, streams, h) + streams + 1
        return draft
    }

    /// Latent attention in all layers, with a gate for each head: some with an indexer, most with a window and sizes of
    /// their own.
    private static func dots3(_ c: Configuration) -> Draft {
        let map = c.map("per_layer_config")
        let types = c.words("layer_types")
        let isSparse = c.optionalFlag("use_dsa") ?? (map == nil || types?.contains("indexed_attention") ?? true)
        let indexer = indexer(c)
        let window = c.optional("sliding_window", from: 1) ?? c.optional("sliding_window_size", from: 1) ?? 512
        let hasWindows = c.flag("use_sliding_window", true)
        let size = c.optional("swa_head_dim", from: 1) ?? 256
        let nope = c.optional("swa_qk_nope_head_dim", from: 1) ?? 192
        var local = Model.LatentAttention(
            queryRank: c.optional("swa_q_lora_rank", from: 1) ?? 1024,
            kvRank: c.optional("swa_kv_lora_rank", from: 1) ?? 1024, nopeSize: nope,
            ropeSize: c.optional("swa_qk_rope_head_dim") ?? max(0, size - nope),
            valueSize: c.optional("swa_v_head_dim", from: 1) ?? 128)
        let localHeads = c.optional("swa_num_attention_heads", from: 1) ?? 64
        c.ignore("swa_num_key_value_heads")
        var draft = dense(
            c,
            rope: c.optional("qk_rope_head_dim")
                ?? c.optional("head_dim").map { head in
                    max(0, head - (c.optional("qk_nope_head_dim") ?? 0))
                })
        c.checkLength(of: types, "layer_types", draft.blocks.count)
        let hasBias = c.flag("attention_bias")
        let hidden = draft.hidden
        draft.each { layer, block in
            let word = c.word(types, layer)
            let isLocal = word.map { $0 == "sliding_attention" } ?? (hasWindows && layer >= 2 && layer % 4 != 1)
            if isLocal {
                if map == nil { block.heads = localHeads } else if let global = block.mla { local = global }
                if let own = map?.layer(layer) {
                    if let heads = own.optional("num_attention_heads", from: 1) { block.heads = heads }
                    if let rank = own.optional("q_lora_rank", from: 1) { local.queryRank = rank }
                    if let rank = own.optional("kv_lora_rank", from: 1) { local.kvRank = rank }
                    if let size = own.optional("qk_nope_head_dim", from: 1) { local.nopeSize = size }
                    if let size = own.optional("qk_rope_head_dim") { local.ropeSize = size }
                    if let size = own.optional("v_head_dim", from: 1) { local.valueSize = size }
                }
                block.mla = local
                block.window = window
                block.kvHeads = block.heads
                block.headSize = local.queryHead
                block.extraParameters = hasBias ? local.queryRank + local.kvRank + local.ropeSize + hidden : 0
            } else if isSparse {
                block.mla?.indexer = indexer
            }
            block.outputGate = .head
            // A norm of the keys' rotary part.
            block.extraParameters += block.mla?.ropeSize ?? 0
        }
        let first = c.denseLayers() ?? 1
        let frequencies = c.value("moe_layer_freq")?.list?.map { $0.flag ?? false }
        let step = max(1, frequencies == nil ? c.optional("moe_layer_freq", from: 1) ?? 1 : 1)
        let shared =
            c.optional("moe_shared_expert_intermediate_size", from: 1)
            ?? c.optional("shared_experts_intermediate_size", from: 1)
        draft.addExperts(
            c, "n_routed_experts", shared: c.optional("n_shared_experts") ?? 0, sharedSize: shared,
            where: draft.sparse(c) { layer in
                layer >= first && (frequencies.map { layer < $0.count && $0[layer] } ?? (layer % step == 0))
            })
        return draft
    }

    /// Mistral Large 4: queries without a latent, an indexer over the residual stream, and no positions in some layers.
    private static func large(_ c: Configuration) -> Draft {
        let rope = c.optional("qk_rope_head_dim") ?? c.optional("head_dim") ?? 64
        var draft = dense(c, rope: rope)
        let (hidden, indexer, isIndexed) = (draft.hidden, indexer(c), indexed(c))
        let ofIndexer =
            product(indexer.heads + 1, indexer.headSize, hidden) + product(2, indexer.headSize)
            + product(indexer.heads + 2, hidden) + product(2, indexer.heads)
        let period = max(1, c.optional("no_rope_layer_interval", from: 1) ?? 4)
        let rotates = c.counts("no_rope_layers")
        if let sources = c.counts("kv_source_layers"), zip(sources.indices, sources).contains(where: { $0 != $1 }) {
            c.report("kv_source_layers", rule: "layers that take the latents of others are not described")
        }
        draft.each { layer, block in
            // Scales of the scores of every head; a rank of queries that a configuration states counts for nothing.
            block.extraParameters += product(2, block.heads)
            if c.flag("attention_bias") { block.extraParameters -= block.mla?.queryRank ?? 0 }
            block.mla?.queryRank = 0
            if isIndexed(layer) {
                block.extraParameters += ofIndexer
                block.window = indexer.topK
            }
            if !(rotates.map { layer < $0.count && $0[layer] != 0 } ?? ((layer + 1) % period != 0)) {
                // The whole head has no position, and its keys come from the latent.
                block.mla?.nopeSize += rope
                block.mla?.ropeSize = 0
                if c.flag("attention_bias") { block.extraParameters -= rope }
            }
        }
        draft.otherParameters = rope / 2
        let first = c.denseLayers() ?? 1
        draft.addExperts(
            c, "n_routed_experts", shared: c.optional("n_shared_experts") ?? 0, where: draft.sparse(c) { $0 >= first })
        return draft
    }

    private static func longcat(_ c: Configuration) -> Draft {
        let (hidden, heads) = (c.count("hidden_size"), c.count("num_attention_heads"))
        let mla = Model.LatentAttention(
            queryRank: c.optional("q_lora_rank") ?? 0, kvRank: c.count("kv_lora_rank"),
            nopeSize: c.count("qk_nope_head_dim"),
            ropeSize: c.optional("qk_rope_head_dim") ?? c.optional("head_dim") ?? 64, valueSize: c.count("v_head_dim"))
        let ffn = c.count("ffn_hidden_size")
        var block = BlockShape(
            heads: heads, kvHeads: heads, headSize: mla.queryHead, ffn: ffn, mlp: c.gated(), mla: mla)
        if c.flag("attention_bias") {
            block.extraParameters = mla.queryRank + mla.kvRank + mla.ropeSize + hidden
        }
        let (experts, zeros) = (c.count("n_routed_experts"), c.optional("zero_expert_num") ?? 0)
        let size = c.count("expert_ffn_hidden_size")
        let layers = c.count("num_layers", or: "num_hidden_layers")
        var draft = Draft(c, hidden: hidden, layers: 2 * layers, block: block)
        // A layer has two attentions with a dense network each; the experts run beside the first network.
        var moe = Model.Mixture(experts: experts, topK: c.count("moe_topk"), ffn: size)
        moe.denseFfn = ffn
        draft.each { layer, block in
            guard layer % 2 == 0 else { return }
            block.moe = moe
            // Router rows of the experts that return their input.
            block.extraParameters += product(zeros, hidden)
        }
        if zeros > 0 {
            draft.notes.append(
                "transformers gives each layer \(Figures.grouped(product(2, zeros, size, hidden))) parameters for experts "
                    + "that return their input; published checkpoints have none, and none are counted")
        }
        return draft
    }

    /// DeepSeek-V4: queries from a latent vector, one head whose keys are the values, grouped output projections,
    /// compressed keys in most layers, and several residual streams (hyper-connections).
    private static func deepseekV4(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        let (h, rank) = (draft.hidden, c.count("q_lora_rank"))
        let (groups, outputRank, streams) = (c.count("o_groups"), c.count("o_lora_rank"), c.count("hc_mult"))
        let size = c.count("head_dim")
        let (heads, indexSize) = (c.optional("index_n_heads") ?? 0, c.optional("index_head_dim") ?? 0)
        let topK = c.optional("index_topk", from: 1) ?? 512
        let window = c.optional("sliding_window", from: 1)
        let types = c.words("layer_types")
        let ratios = c.counts("compress_ratios")
        let streamsOfHalf = product((2 + streams), streams, streams, h) + (2 + streams) * streams + 3
        c.checkLength(of: types, "layer_types", draft.blocks.count)
        c.ignore("num_hash_layers", "intermediate_size")
        if c.flag("mlp_bias") { draft.biases = [.sharedExperts] }
        draft.each { layer, block in
            block.headSize = size
            block.kvHeads = 1
            block.keyValues = .keysAreValues
            block.queryRank = rank
            block.outputGroups = groups
            block.outputRank = outputRank
            block.sinks = true
            block.window = window
            // The norm of the keys, and the mixing of the residual streams before and behind both halves.
            block.extraParameters = size + 2 * streamsOfHalf
            switch kind(layer, types: c.word(types, layer), ratios: ratios) {
            case .heavilyCompressed: block.keyCompression = Model.KeyCompression(ratio: 128)
            case .compressedSparse:
                block.keyCompression = Model.KeyCompression(
                    ratio: 4, overlap: true,
                    indexer: heads > 0 && indexSize > 0
                        ? Model.Indexer(heads: heads, headSize: indexSize, topK: topK) : nil)
            case .sliding: break
            }
        }
        draft.addExperts(c, "n_routed_experts", shared: 1)
        draft.otherParameters = product(streams, streams, h) + streams + 1
        return draft
    }

    private enum KindV4 { case sliding, compressedSparse, heavilyCompressed }

    private static func kind(_ layer: Int, types: String?, ratios: [Int]?) -> KindV4 {
        switch types {
        case let word? where word.contains("heavily"): return .heavilyCompressed
        case let word? where word.contains("compressed"): return .compressedSparse
        case .some: return .sliding
        case nil: break
        }
        if let ratios, layer < ratios.count {
            return ratios[layer] == 0 ? .sliding : ratios[layer] == 4 ? .compressedSparse : .heavilyCompressed
        }
        return layer < 2 || layer % 2 == 0 ? .heavilyCompressed : .compressedSparse
    }

    private static func ocr(_ c: Configuration) -> Draft {
        var draft = Draft(c)
        let first = c.denseLayers() ?? (c.type == "unlimited_ocr_text" ? 1 : 0)
        draft.addExperts(
            c, "n_routed_experts", shared: c.optional("n_shared_experts") ?? 0, where: draft.sparse(c) { $0 >= first })
        return draft
    }
}

extension Draft {
    /// DeepSeek's experts behind `first_k_dense_replace` dense blocks.
    mutating func addDeepSeekExperts(_ c: Configuration) {
        let first: Int
        switch c.type {
        case "glm4_moe_lite", "axk1", "hy_v4", "hy_v4_vl_text": first = c.denseLayers() ?? 1
        case "glm5_next_text": first = c.denseLayers() ?? 3
        default: first = c.denseLayers() ?? 0
        }
        let step = c.type == "axk1" ? max(1, c.optional("moe_layer_freq", from: 1) ?? 1) : 1
        addExperts(
            c, "n_routed_experts", shared: c.optional("n_shared_experts") ?? 0,
            where: sparse(c) { $0 >= first && $0 % step == 0 })
        // Experts lie in groups, and a token reaches the experts of some groups: nodes in DeepSeek's own runs.
        if let groups = c.optional("n_group"), groups > 1, let reached = c.optional("topk_group", from: 1) {
            each { $0.moe?.nodeLimit = reached }
        }
        // The two published totals of DeepSeek-V3 and Kimi K2 count the biases of the router's choice, which no gradient
        // changes.
        if ["deepseek_v3", "kimi_k2"].contains(c.type), c.path.isEmpty {
            each { $0.moe?.routerCorrection = true }
        }
    }
}

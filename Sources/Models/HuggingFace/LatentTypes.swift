internal import Reading

/// Decoders with latent attention: DeepSeek and its kin, after the modules of transformers 5.24.
enum LatentTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "deepseek_v2": deepseek, "deepseek_v3": deepseek, "kimi_k2": deepseek, "sarvam_mla": deepseek,
        "glm4_moe_lite": deepseek, "mistral4": deepseek, "axk1": deepseek,
        "deepseek_v32": sparse, "glm_moe_dsa": sparse, "deepseek_v4": deepseekV4,
        "minicpm3": dense, "youtu": dense, "longcat_flash": longcat,
        "deepseek_ocr2_text": ocr, "unlimited_ocr_text": ocr, "deepseek_vl_v2": ocr,
    ]

    /// A decoder of latent attention and dense feed-forward networks.
    static func dense(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "")
        let rope = c.optional("qk_rope_head_dim") ?? c.optional("head_dim") ?? 64
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
        let indexer = Model.Indexer(
            heads: c.count("index_n_heads"), headSize: c.count("index_head_dim"),
            topK: c.optional("index_topk", from: 1) ?? 2048)
        let types = c.words("indexer_types")
        let pattern = c.text("index_topk_pattern").map { $0.map(String.init) } ?? c.words("index_topk_pattern")
        let (frequency, offset) = (c.optional("index_topk_freq") ?? 1, c.optional("index_skip_topk_offset") ?? 2)
        draft.each { layer, block in
            let hasIndexer: Bool
            if c.type == "deepseek_v32" {
                hasIndexer = true
            } else if let word = c.word(types, layer) {
                hasIndexer = word == "full"
            } else if let letter = c.word(pattern, layer) {
                hasIndexer = letter == "F"
            } else {
                hasIndexer = max(layer - offset + 1, 0) % max(1, frequency) == 0
            }
            if hasIndexer { block.mla?.indexer = indexer }
        }
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
            // Router rows of the experts that return their input, and the unused rows transformers gives them.
            block.extraParameters += product(zeros, hidden) + product(2, zeros, size, hidden)
        }
        if zeros > 0 {
            draft.notes.append(
                "transformers holds \(product(2, zeros, size, hidden)) parameters a layer for experts that return their "
                    + "input; published checkpoints do not")
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
            case .heavilyCompressed: block.extraParameters += product(128, size) + product(2, size, h) + size
            case .compressedSparse:
                block.extraParameters += product(4, 2 * size) + product(4, size, h) + size
                block.extraParameters += product(4, 2 * indexSize) + product(4, indexSize, h) + indexSize
                block.extraParameters += product(heads, indexSize, rank) + product(heads, h)
                block.window = (window ?? 0) + topK
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
        return layer < 2 || layer % 2 == 1 ? .heavilyCompressed : .compressedSparse
    }

    private static func ocr(_ c: Configuration) -> Draft {
        var draft = Draft(c)
        let first = c.optional("first_k_dense_replace") ?? 0
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
        case "glm4_moe_lite", "axk1": first = c.optional("first_k_dense_replace") ?? 1
        default: first = c.optional("first_k_dense_replace") ?? 0
        }
        let step = c.type == "axk1" ? max(1, c.optional("moe_layer_freq") ?? 1) : 1
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

internal import Models

/// The configuration of a class of transformers that has exactly the parameters of a model.
struct TransformersConfiguration {
    private(set) var entries = JSONEntries()

    /// The classes, for people.
    static let words =
        "gpt2, llama, qwen2, mistral, qwen3, mixtral, qwen2_moe, qwen3_moe, deepseek_v2 and deepseek_v3"

    /// What each class has beyond a plain dense model.
    private enum Class: String, CaseIterable {
        case gpt2, llama, qwen2, mistral, qwen3, mixtral
        case qwen2Moe = "qwen2_moe"
        case qwen3Moe = "qwen3_moe"
        case deepseekV2 = "deepseek_v2"
        case deepseekV3 = "deepseek_v3"

        /// Features that it always has, and those that it may have.
        var features: (needed: Set<ModelFeature.Kind>, possible: Set<ModelFeature.Kind>) {
            switch self {
            case .gpt2: ([.layerNorm, .learnedPositions, .allBiases], [.gelu, .positionEntries, .tied])
            case .llama: ([], [.tied])
            case .qwen2: ([.inputBias], [.tied])
            case .mistral: ([.window], [.tied])
            case .qwen3: ([.qkNormHead], [.tied])
            case .mixtral: ([.experts], [.tied])
            case .qwen2Moe: ([.experts, .inputBias, .sharedExperts, .sharedGate], [.tied, .firstDense, .everyOther])
            case .qwen3Moe: ([.experts, .qkNormHead], [.tied, .firstDense, .everyOther])
            case .deepseekV2: ([.experts, .latent, .sharedExperts], [.tied, .firstDense, .nodeLimit])
            case .deepseekV3:
                ([.experts, .latent, .sharedExperts, .routerCorrection], [.tied, .firstDense, .nodeLimit])
            }
        }
    }

    /// - Returns: nil: no class has these parameters.
    init?(_ model: Model) {
        let found = Set(model.featuresBeyondPlain.map(\.kind))
        guard
            let kind = Class.allCases.first(where: {
                let (needed, possible) = $0.features
                return needed.isSubset(of: found) && found.isSubset(of: needed.union(possible))
            }), Self.fits(model, kind)
        else { return nil }
        entries.add("architectures", .list([.text(Self.architecture(kind))]))
        entries.add("model_type", kind.rawValue)
        if kind == .gpt2 {
            addGPT(model)
        } else {
            addDecoder(model, kind)
        }
        entries.add("vocab_size", model.vocab)
        entries.add("tie_word_embeddings", model.tiedEmbeddings)
        entries.add("dtype", "bfloat16")
    }

    private static func architecture(_ kind: Class) -> String {
        let names: [Class: String] = [
            .gpt2: "GPT2LMHeadModel", .llama: "LlamaForCausalLM", .qwen2: "Qwen2ForCausalLM",
            .mistral: "MistralForCausalLM",
            .qwen3: "Qwen3ForCausalLM", .mixtral: "MixtralForCausalLM", .qwen2Moe: "Qwen2MoeForCausalLM",
            .qwen3Moe: "Qwen3MoeForCausalLM", .deepseekV2: "DeepseekV2ForCausalLM",
            .deepseekV3: "DeepseekV3ForCausalLM",
        ]
        return names[kind] ?? "LlamaForCausalLM"
    }

    /// What features do not say: sizes that a class cannot have.
    private static func fits(_ model: Model, _ kind: Class) -> Bool {
        let isWhole = model.headSize * model.heads == model.hidden
        switch kind {
        case .gpt2: return isWhole && model.kvHeads == model.heads
        case .qwen2, .qwen2Moe:
            guard isWhole else { return false }
        default: break
        }
        guard let moe = model.moe else { return true }
        switch kind {
        // The period is counted from the first block there.
        case .qwen2Moe, .qwen3Moe: return moe.every == 1 || moe.firstDense == 0
        case .deepseekV2, .deepseekV3:
            return moe.sharedFfn == moe.ffn && (moe.nodeLimit == nil || TorchtitanExport.groups(moe) != nil)
        default: return true
        }
    }

    private mutating func addGPT(_ model: Model) {
        entries.add("n_layer", model.layers)
        entries.add("n_embd", model.hidden)
        entries.add("n_head", model.heads)
        entries.add("n_inner", model.ffn)
        entries.add("n_positions", model.positionEntries ?? model.sequence)
        entries.add("activation_function", "gelu_new")
    }

    private mutating func addDecoder(_ model: Model, _ kind: Class) {
        entries.add("num_hidden_layers", model.layers)
        entries.add("hidden_size", model.hidden)
        entries.add("num_attention_heads", model.heads)
        entries.add("max_position_embeddings", model.sequence)
        entries.add("hidden_act", "silu")
        entries.add("intermediate_size", kind == .mixtral ? model.moe?.ffn ?? model.ffn : model.ffn)
        if let mla = model.mla {
            entries.add("num_key_value_heads", model.heads)
            entries.add("q_lora_rank", mla.queryRank > 0 ? .count(mla.queryRank) : .null)
            entries.add("kv_lora_rank", mla.kvRank)
            entries.add("qk_nope_head_dim", mla.nopeSize)
            entries.add("qk_rope_head_dim", mla.ropeSize)
            entries.add("v_head_dim", mla.valueSize)
        } else {
            entries.add("num_key_value_heads", model.kvHeads)
            if kind != .qwen2, kind != .qwen2Moe { entries.add("head_dim", model.headSize) }
        }
        if let window = model.block.window { entries.add("sliding_window", window) }
        if kind == .qwen2 || kind == .qwen3 || kind == .qwen2Moe || kind == .qwen3Moe {
            entries.add("use_sliding_window", false)
        }
        if let moe = model.moe { addExperts(moe, layers: model.layers, kind) }
    }

    private mutating func addExperts(_ moe: Model.Mixture, layers: Int, _ kind: Class) {
        entries.add("num_experts_per_tok", moe.topK)
        switch kind {
        case .mixtral:
            entries.add("num_local_experts", moe.experts)
            entries.add("sliding_window", .null)
        case .qwen2Moe, .qwen3Moe:
            entries.add("num_experts", moe.experts)
            entries.add("moe_intermediate_size", moe.ffn)
            entries.add("decoder_sparse_step", moe.every)
            entries.add("mlp_only_layers", .list((0..<min(moe.firstDense, layers)).map(JSONText.count)))
            if kind == .qwen2Moe { entries.add("shared_expert_intermediate_size", moe.sharedWidth) }
        default:
            let groups = TorchtitanExport.groups(moe)
            entries.add("n_routed_experts", moe.experts)
            entries.add("n_shared_experts", moe.shared)
            entries.add("moe_intermediate_size", moe.ffn)
            entries.add("first_k_dense_replace", moe.firstDense)
            entries.add("n_group", groups ?? 1)
            entries.add("topk_group", moe.nodeLimit ?? 1)
        }
    }
}

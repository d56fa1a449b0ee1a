internal import Reading

/// The reading of a model type that no entry describes: by the meaning that its keys have in other types.
enum GenericType {
    static func read(_ c: Configuration) -> Draft {
        let isLatent = c.has("kv_lora_rank")
        var draft = isLatent ? LatentTypes.dense(c) : Draft(c)
        if !isLatent, c.flag("qkv_bias") || c.flag("use_qkv_bias") { draft.biases.insert(.attentionInput) }
        if c.flag("use_qk_norm") || c.flag("qk_layernorm") || c.flag("use_qk_layernorm") {
            draft.each { $0.qkNorm = .head }
        }
        if !isLatent, let value = c.optional("v_head_dim", from: 1) {
            draft.each { if value != $0.headSize { $0.valueSize = value } }
        }
        draft.setWindows(c) { _ in c.flag("use_sliding_window") }
        let experts = ["n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts"].first(where: c.has)
        if let experts {
            let size =
                ["moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size"].first(where: c.has)
                ?? "intermediate_size"
            let top = ["num_experts_per_tok", "moe_topk", "moe_top_k", "top_k_experts", "num_experts_per_token"]
            let first = c.denseLayers() ?? 0
            let width = c.optional("shared_expert_intermediate_size") ?? c.optional("shared_intermediate_size")
            let shared = c.optional("n_shared_experts") ?? c.optional("num_shared_experts") ?? (width ?? 0 > 0 ? 1 : 0)
            draft.addExperts(
                c, experts, size: size, shared: shared, sharedSize: width,
                topKey: top.first(where: c.has) ?? "num_experts_per_tok", where: draft.sparse(c) { $0 >= first })
        }
        draft.notes.append(
            "model type '\(c.type)' is not known: read by the meaning its keys have in other types; compare the count")
        return draft
    }
}

internal import Numbers
internal import Reading

/// Rules between the keys of a configuration.
extension Configuration {
    /// Spellings of the number of routed experts.
    static let expertCounts = ["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"]

    /// Reports keys that state one size under several spellings and differ.
    func checkSpellings(of spellings: [String]) {
        // Models of text and images may have a number for each.
        let stated = spellings.filter { states($0) && value($0)?.list == nil }
        guard stated.count > 1 else { return }
        let counts = stated.compactMap { key in optional(key).map { (key, $0) } }
        guard counts.count == stated.count, let first = counts.first else { return }
        for (key, count) in counts.dropFirst() where count != first.1 {
            report(
                key, value: "\(count)", rule: "\(first.0) is the same size and says \(first.1)",
                fix: "remove one of the two", kind: .misfit)
        }
    }

    /// Reports lists of layers' types that have more or fewer entries than there are layers (transformers 5.24,
    /// `layer_type_validation`), also where the type reads no such list. Entries for modules of multi-token prediction may
    /// follow those of the layers: as many as there are modules, or any number where the type takes them off
    /// (`Step3p7TextConfig`, `mtp_layer_types`).
    func checkLayerTypes(_ layers: Int) {
        let layers = written("num_hidden_layers")?.count ?? layers
        let modules = max(0, written("num_nextn_predict_layers")?.count ?? 0)
        for key in ["layer_types", "mlp_layer_types"] {
            guard let entries = written(key)?.list?.count,
                entries < layers || entries - modules > layers && !facts.knows("mtp_layer_types"),
                !collector.hasProblem(in: [path + key])
            else { continue }
            report(
                key, value: "\(entries) entries", rule: "must have an entry for each of the \(layers) layers",
                fix: "or correct num_hidden_layers", kind: .misfit)
        }
    }

    /// Reports groups of experts that the experts cannot be divided into (transformers 5.24, `DeepseekV3TopkRouter`: scores are
    /// viewed as n_group rows), and more groups for a token than there are.
    func checkExpertGroups() {
        // DeepSeek-V2's greedy choice knows no groups.
        guard let groups = written("n_group")?.count, groups > 0, written("topk_method")?.text != "greedy" else {
            return
        }
        let named = Self.expertCounts.lazy.compactMap { key in self.written(key)?.count.map { (key, $0) } }.first
        if let (key, experts) = named, experts > 0, experts % groups != 0 {
            report(
                "n_group", value: "\(groups)", rule: "must divide the \(experts) experts of \(key)",
                fix: "correct one of the two", kind: .misfit)
        }
        if let reached = written("topk_group")?.count, reached > groups {
            report(
                "topk_group", value: "\(reached)", rule: "must be at most the \(groups) groups of n_group",
                fix: "correct one of the two", kind: .misfit)
        }
    }

    /// The keys of configurations for the keys of a plan, the usual ones first.
    fileprivate static let keysOfSizes: [String: [String]] = [
        "layers": ["num_hidden_layers", "n_layers", "n_layer", "num_layers"],
        "hidden": ["hidden_size", "d_model", "n_embd", "model_dim"],
        "vocab": ["vocab_size", "padded_vocab_size", "embedding_size"],
        "sequence": ["max_position_embeddings", "n_positions", "max_seq_len", "seq_length"],
        "positionEntries": ["max_position_embeddings", "n_positions"],
        "embeddingSize": ["word_embed_proj_dim", "embedding_size"],
        "heads": ["num_attention_heads", "n_heads", "n_head", "num_heads"],
        "kvHeads": [
            "num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads", "multi_query_group_num",
            "num_query_groups",
            "num_attention_groups",
        ],
        "headSize": ["head_dim", "kv_channels", "attention_head_dim", "d_kv", "attention_head_size"],
        "valueSize": ["v_head_dim"], "queryRank": ["q_lora_rank"],
        "ffn": ["intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "dense_intermediate_size"],
        "window": ["sliding_window", "window_size", "sliding_window_size"],
        "chunk": ["attention_chunk_size"], "moe.experts": expertCounts,
        "moe.topK": [
            "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k", "top_k_experts", "top_k",
        ],
        "moe.ffn": ["moe_intermediate_size", "expert_ffn_hidden_size", "ffn_hidden_size", "intermediate_size"],
        "moe.shared": ["n_shared_experts", "num_shared_experts", "moe_num_shared_experts"],
        "moe.sharedFfn": ["shared_expert_intermediate_size", "shared_intermediate_size", "moe_intermediate_size"],
        "moe.latentSize": ["moe_latent_size"],
        "mla.queryRank": ["q_lora_rank"], "mla.kvRank": ["kv_lora_rank"], "mla.nopeSize": ["qk_nope_head_dim"],
        "mla.ropeSize": ["qk_rope_head_dim"], "mla.valueSize": ["v_head_dim"],
        "mla.indexer.heads": ["index_n_heads"], "mla.indexer.headSize": ["index_head_dim"],
        "mla.indexer.topK": ["index_topk"], "mla.indexer": ["index_n_heads", "index_topk"],
        "outputGroups": ["o_groups"], "outputRank": ["o_lora_rank"],
    ]

    /// Other keys of a plan that the rules of a key read.
    private static let readsToo: [String: [String]] = [
        "heads": ["hidden"], "kvHeads": ["heads"], "moe.topK": ["moe.experts"],
        "outputGroups": ["heads", "outputRank"],
        "outputRank": ["outputGroups"], "headSize": ["hidden", "heads"], "valueSize": ["headSize"],
        "window": ["mla.indexer"], "chunk": ["window"], "mla.indexer": ["mla.queryRank"],
    ]

    /// A rule that the model breaks, at the key of the configuration that is at fault. nil: a key that the rule reads has a
    /// wrong value, which was reported.
    func placed(_ problem: PlanProblem) -> PlanProblem? {
        var field = problem.field
        if field.hasPrefix("kinds.") { field = field.split(separator: ".").dropFirst(2).joined(separator: ".") }
        let sizes = [field] + (Self.readsToo[field] ?? [])
        let keys = sizes.flatMap { Self.keysOfSizes[$0] ?? [String($0.split(separator: ".").last ?? "")] }
        let paths = keys.compactMap { collector.place(of: $0, in: path) }
        guard !paths.contains(where: { collector.hasProblem(in: [$0]) }) else { return nil }
        // A number that a wrong one stands behind is no news either.
        guard !keys.contains(where: { collector.hasProblem(in: [path + $0]) }) else { return nil }
        var placed = problem
        guard let first = paths.first else {
            placed.rule = "\(problem.field) \(problem.rule)"
            placed.field = ""
            return placed
        }
        placed.field = first
        return placed
    }
}

extension Draft {
    /// Reports heads that do not divide the hidden size where their size is not stated (transformers'
    /// `LlamaConfig.validate_architecture`).
    func checkHeads(_ c: Configuration) {
        guard
            !(Configuration.keysOfSizes["headSize"] ?? []).contains(where: c.states),
            c.facts.defaults["head_dim"].map(\.isNull) ?? true
        else { return }
        guard
            let block = blocks.first(where: {
                $0.hasSoftmax && $0.mla == nil && $0.heads > 0 && hidden % $0.heads != 0
                    && $0.headSize == hidden / $0.heads
            })
        else { return }
        let problem = PlanProblem(
            .misfit, field: "heads", value: "\(block.heads)",
            rule: "must divide the hidden size \(hidden) where no head_dim is given", fix: "or give head_dim")
        if let problem = c.placed(problem) { c.collector.adopt(problem) }
    }
}

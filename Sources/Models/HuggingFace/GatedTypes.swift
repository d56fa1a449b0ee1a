internal import Reading

/// Decoders whose attention has a gate behind it, after the modules of transformers 5.24.
enum GatedTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "step3p5": step, "afmoe": afmoe, "laguna": laguna, "beam": beam, "muse_glimmer_text": glimmer,
        "muse_spark_text": spark,
    ]

    private static func step(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        if c.flag("mlp_bias") { draft.biases.formUnion([.feedForward, .sharedExperts]) }
        let types = c.words("layer_types")
        let other = c.map("attention_other_setting")
        let heads =
            c.optional("num_sliding_attention_heads", from: 1) ?? other?.optional("num_attention_heads", from: 1)
        let window = c.optional("sliding_window", from: 1)
        draft.each { layer, block in
            block.qkNorm = .head
            block.outputGate = .head
            guard c.word(types, layer) == "sliding_attention" else { return }
            block.window = window
            if let heads { block.heads = heads }
        }
        draft.setOwnHeads(c)
        c.ignore("num_experts", "moe_num_experts", "n_routed_experts", "num_attention_groups")
        let listed = c.text("moe_layers_enum").map { Set($0.split(separator: ",").compactMap { Int($0.trimming()) }) }
        let shared = c.optional("share_expert_dim") ?? 0
        draft.addExperts(
            c, c.has("moe_num_experts") ? "moe_num_experts" : "n_routed_experts", shared: shared > 0 ? 1 : 0,
            sharedSize: shared, topKey: c.has("moe_top_k") ? "moe_top_k" : "num_experts_per_tok",
            where: draft.sparse(c) { layer in listed?.contains(layer) ?? (layer >= 3) })
        draft.leaveGateWithoutBias()
        return draft
    }

    private static func afmoe(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { block in
            block.qkNorm = .head
            block.outputGate = .elementwise
            block.norms = .both
        }
        let first = c.optional("num_dense_layers") ?? 0
        let experts = c.count("num_experts")
        draft.addExperts(c, "num_experts", shared: c.optional("num_shared_experts") ?? 0) { $0 >= first }
        draft.each { if $0.moe != nil { $0.extraParameters = experts } }
        draft.leaveGateWithoutBias()
        draft.setWindows(c) { ($0 + 1) % 4 != 0 }
        return draft
    }

    private static func laguna(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        let heads = c.counts("num_attention_heads_per_layer")
        let gating = c.value("gating")
        let experts = c.count("num_experts")
        draft.each { layer, block in
            block.qkNorm = .head
            if let heads, layer < heads.count { block.heads = max(1, heads[layer]) }
            if gating?.flag == true || gating?.text == "per-head" {
                block.outputGate = .head
            } else if gating?.text != nil {
                block.outputGate = .elementwise
            }
        }
        let shared = c.optional("shared_expert_intermediate_size") ?? 0
        draft.addExperts(
            c, "num_experts", shared: shared > 0 ? 1 : 0, sharedSize: shared, where: draft.sparse(c) { $0 >= 1 })
        draft.each { if $0.moe != nil { $0.extraParameters = experts } }
        draft.leaveGateWithoutBias()
        draft.setWindows(c) { _ in false }
        return draft
    }

    private static func beam(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { block in
            block.qkNorm = .head
            block.outputGate = .elementwise
            block.norms = .both
            // The gate has one bias for each head.
            block.extraParameters = block.heads
        }
        draft.addExperts(c, "num_experts", where: draft.sparse(c) { $0 >= 3 })
        draft.leaveGateWithoutBias()
        let last = draft.blocks.count - 1
        draft.setWindows(c) { ($0 + 1) % 6 != 0 && $0 != last }
        return draft
    }

    private static func glimmer(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { block in
            block.outputGate = .elementwise
            block.norms = .both
        }
        draft.leaveGateWithoutBias()
        draft.setMuseWindows(c)
        return draft
    }

    /// Experts work on rows of their own size, and both halves have a gate of the residual stream.
    private static func spark(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        let hidden = draft.hidden
        let size = c.count("moe_hidden_size")
        draft.addExperts(c, "num_local_experts", where: draft.sparse(c) { _ in true })
        draft.each { block in
            block.outputGate = .elementwise
            // A third norm and two gates; norms of the rows before and behind the experts.
            block.extraParameters = product(3, hidden)
            guard block.moe != nil else { return }
            block.moe?.latentSize = size
            block.extraParameters += product(2, size)
        }
        draft.leaveGateWithoutBias()
        draft.setMuseWindows(c)
        return draft
    }
}

extension Draft {
    /// Counts the biases of queries, keys and values among the small tensors of a block, where gates have none.
    mutating func leaveGateWithoutBias() {
        guard blocks.contains(where: { $0.outputGate != .none }), biases.remove(.attentionInput) != nil else { return }
        each { block in
            guard block.hasSoftmax else { return }
            block.extraParameters += product(block.heads + 2 * block.kvHeads, block.headSize)
        }
    }

    /// Gives every block the heads that `per_layer_config` states for its layer.
    mutating func setOwnHeads(_ c: Configuration) {
        let layers = c.map("per_layer_config")
        each { layer, block in
            guard let own = layers?.layer(layer) else { return }
            if let heads = own.optional("num_attention_heads", from: 1) { block.heads = heads }
            if let heads = own.optional("num_key_value_heads", from: 1) { block.kvHeads = heads }
            if let size = own.optional("head_dim", from: 1) { block.headSize = size }
        }
    }

    /// Sets the windows of Muse's models: in all layers but each fourth and the last.
    fileprivate mutating func setMuseWindows(_ c: Configuration) {
        let last = blocks.count - 1
        setWindows(c) { ($0 + 1) % 4 != 0 && $0 != last }
    }
}

extension StringProtocol {
    /// The text without spaces around it.
    fileprivate func trimming() -> String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}

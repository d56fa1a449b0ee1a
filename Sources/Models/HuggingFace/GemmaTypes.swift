internal import Reading

/// Gemma 3n and 4, whose blocks differ in head sizes, shared keys and per-layer embeddings, after the modules of
/// transformers 5.24.
enum GemmaTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "gemma3n_text": gemma3n, "gemma4_text": gemma4, "gemma4_unified_text": gemma4,
        "diffusion_gemma_text": gemma4,
    ]

    /// The embedding of every layer beside the first one: its table and projection outside the blocks, its gate and
    /// projection in every block.
    private static func addLayerEmbeddings(_ c: Configuration, to draft: inout Draft) {
        let size = c.optional("hidden_size_per_layer_input") ?? 0
        guard size > 0 else { return }
        let (h, layers) = (draft.hidden, draft.blocks.count)
        let entries = c.optional("vocab_size_per_layer_input") ?? draft.vocab
        draft.otherParameters += product(entries, layers, size) + product(layers, size, h) + size
        draft.each { $0.extraParameters += product(2, size, h) + h }
    }

    private static func gemma3n(_ c: Configuration) -> Draft {
        let sizes = c.counts("intermediate_size")
        var draft = Draft(c, mlpBias: "", ffn: sizes.map { $0.first ?? 1 })
        if let sizes { c.checkLength(of: sizes, "intermediate_size", draft.blocks.count) }
        let h = draft.hidden
        let shared = c.optional("num_kv_shared_layers") ?? 0
        let (streams, rank) = (c.count("altup_num_inputs"), c.count("laurel_rank"))
        let layers = draft.blocks.count
        let altup = product(2, h) + product(streams + 1, streams, streams) + product(streams, h)
        draft.each { layer, block in
            block.norms = .both
            block.qkNorm = .head
            if let sizes, layer < sizes.count { block.ffn = sizes[layer] }
            if layer >= layers - shared { block.keyValues = .shared }
            block.extraParameters = altup + product(2, rank, h) + h
        }
        draft.setWindows(c) { ($0 + 1) % 5 != 0 }
        addLayerEmbeddings(c, to: &draft)
        draft.otherParameters += product(2, streams - 1, h, h)
        return draft
    }

    private static func gemma4(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        let h = draft.hidden
        let layers = draft.blocks.count
        let types = c.words("layer_types")
        let globalSize = c.optional("global_head_dim", from: 1) ?? 512
        let globalHeads = c.optional("num_global_key_value_heads", from: 1)
        let isDiffusion = c.type == "diffusion_gemma_text"
        let isShared = isDiffusion || c.flag("attention_k_eq_v")
        let reused = c.optional("num_kv_shared_layers") ?? 0
        let isWide = c.flag("use_double_wide_mlp")
        draft.each { layer, block in
            let isLast = layer == layers - 1
            let isGlobal = isLast || (c.word(types, layer).map { $0 == "full_attention" } ?? ((layer + 1) % 6 == 0))
            block.norms = .both
            block.qkNorm = .head
            if isGlobal {
                block.headSize = globalSize
                if isShared {
                    block.keyValues = .keysAreValues
                    if let globalHeads { block.kvHeads = globalHeads }
                }
            } else {
                block.window = c.optional("sliding_window", from: 1)
            }
            if layer >= layers - reused {
                block.keyValues = .shared
                if isWide { block.ffn *= 2 }
            }
        }
        draft.setOwnHeads(c)
        if isDiffusion || c.flag("enable_moe_block") {
            let dense = draft.blocks[0].ffn
            draft.addExperts(c, "num_experts", topKey: "top_k_experts")
            draft.each { block in
                guard var moe = block.moe else { return }
                moe.denseFfn = dense
                block.moe = moe
                // Scales of the router's inputs and of every expert, and three more norms.
                block.extraParameters += h + moe.experts + 3 * h
            }
        }
        if c.type == "gemma4_text" { addLayerEmbeddings(c, to: &draft) }
        return draft
    }
}

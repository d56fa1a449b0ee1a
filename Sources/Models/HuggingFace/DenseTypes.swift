internal import Reading

/// Decoders of dense blocks with rotary positions: Llama and its kin. Each entry says what differs from a Llama, after
/// the modules of transformers 5.24.
enum DenseTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "llama": { Draft($0) },
        "smollm3": { Draft($0) }, "granite": { Draft($0) }, "internlm3": internLM3, "exaone": { Draft($0) },
        "iquestcoder": { Draft($0) }, "gemma": { Draft($0, mlpBias: "") }, "emu3_text_model": { Draft($0) },
        "cwm": { Draft($0, attentionBias: "") },
        "mistral": mistral, "ministral": mistral, "ministral3": mistral,
        "qwen2": qwen2, "qwen2_vl_text": qwen2, "qwen2_5_vl_text": qwen2, "qwen2_5_omni_text": qwen2, "mimo": mimo,
        "qwen3": qwen3, "qwen3_vl_text": qwen3, "gemma2": gemma2, "gemma3_text": gemma3,
        "vaultgemma": { c in
            var draft = Draft(c, mlpBias: "")
            draft.setWindows(c) { ($0 + 1) % 2 != 0 }
            return draft
        },
        "phi3": phi3, "phi4_multimodal": phi3,
        "olmo": { c in
            var draft = Draft(c, mlpBias: "")
            draft.norm = .nonParametric
            return draft
        },
        "olmo2": olmo2, "olmo3": olmo2,
        "cohere": cohere, "cohere2": cohere, "cohere_compass_text": cohere,
        "glm": glm, "glm4": glm4, "glm4v_text": glm4, "glm_ocr_text": glm4,
        "exaone4": { c in
            var draft = Draft(c, attentionBias: "", mlpBias: "")
            draft.each { $0.qkNorm = .head }
            draft.each { $0.norms = .post }
            // A period, or a letter for each layer of it: L for a window.
            let letters = c.text("sliding_window_pattern").map(Array.init) ?? []
            let period = letters.isEmpty ? c.optional("sliding_window_pattern") ?? 0 : 0
            draft.setWindows(c) { layer in
                letters.isEmpty ? period > 0 && (layer + 1) % period != 0 : letters[layer % letters.count] == "L"
            }
            return draft
        },
        "seed_oss": { c in
            var draft = Draft(c, attentionBias: "")
            if c.flag("attention_bias") { draft.biases.insert(.attentionInput) }
            if c.flag("attention_out_bias") { draft.biases.insert(.attentionOutput) }
            return draft
        },
        "apertus": apertus,
        "apertus1p5_text": { c in
            var draft = apertus(c)
            // The head has rows for a part of the table's entries.
            if let entries = c.optional("output_vocab_size", from: 1), !draft.isTied, entries <= draft.vocab {
                draft.otherParameters = product(draft.vocab - entries, draft.hidden)
                draft.vocab = entries
            }
            return draft
        },
        "arcee": { c in
            var draft = Draft(c)
            draft.each { $0.mlp = c.plain() }
            return draft
        },
        "nemotron": nemotron, "jais2": nemotron,
        "helium": { c in
            var draft = Draft(c, attentionBias: "")
            if c.flag("attention_bias") { draft.biases.insert(.attentionInput) }
            if let block = draft.blocks.first, product(block.heads, block.headSize) != draft.hidden {
                c.report(
                    "head_dim", value: "\(block.headSize)",
                    rule: "must be hidden_size / num_attention_heads; the output projection of a helium is square")
            }
            return draft
        },
        "hunyuan_v1_dense": { c in
            var draft = Draft(c, mlpBias: "")
            draft.each { $0.qkNorm = .head }
            return draft
        },
        "hunyuan_vl_text": { c in
            var draft = Draft(c, mlpBias: "")
            draft.each { $0.qkNorm = .head }
            return draft
        },
        "ernie4_5": { Draft($0, attentionBias: "use_bias", mlpBias: "use_bias") },
        "paddleocr_vl_text": { Draft($0, attentionBias: "use_bias", mlpBias: "use_bias") },
        "bitnet": { c in
            var draft = Draft(c, mlpBias: "")
            let hidden = draft.hidden
            // A norm before the output projection and one before the second product of the feed-forward network.
            draft.each { $0.extraParameters = hidden + $0.ffn }
            return draft
        },
        "diffllama": { c in
            var draft = Draft(c, mlpBias: "")
            // Four vectors of the difference of two attentions.
            draft.each { $0.extraParameters = product(4, $0.headSize) }
            return draft
        },
        "hyperclovax": { c in
            var draft = Draft(c)
            if c.flag("use_post_norm", true) { draft.each { $0.norms = .both } }
            return draft
        },
        "granite_swa": { c in
            var draft = Draft(c)
            draft.each { $0.sinks = true }
            draft.setWindows(c) { _ in false }
            return draft
        },
        "nanochat": { c in
            var draft = Draft(c, mlpBias: "")
            draft.norm = .nonParametric
            draft.each { $0.mlp = c.plain() }
            return draft
        },
        "chameleon": { c in
            var draft = Draft(c)
            let d = draft
            // Norms of queries and keys with a scale and a shift for each head.
            draft.each { $0.extraParameters = product(2, $0.heads + $0.kvHeads, d.blocks[0].headSize) }
            return draft
        },
        "molmo2_text": { c in
            var draft = Draft(c, attentionBias: "", mlpBias: "")
            if c.flag("attention_bias") { draft.biases.insert(.attentionInput) }
            let kind = c.text("qk_norm_type")
            draft.each { $0.qkNorm = kind == "olmo" ? .whole : .head }
            draft.otherParameters = product(c.optional("additional_vocab_size") ?? 0, draft.hidden)
            return draft
        },
        "doge": doge, "granite4_vision_text": { Draft($0) }, "granite_docling_text": { Draft($0) },
    ]

    static func phi3(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        draft.setWindows(c) { _ in true }
        return draft
    }

    private static func apertus(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { block in
            block.qkNorm = .head
            block.mlp = c.plain()
            // Two learned numbers of the activation.
            block.extraParameters = 2
        }
        return draft
    }

    private static func doge(_ c: Configuration) -> Draft {
        if c.flag("is_moe") { c.report("is_moe", value: "true", rule: "experts of one neuron are not described") }
        var draft = Draft(c)
        let (hidden, hasBias) = (draft.hidden, c.flag("attention_bias"))
        draft.each { block in
            block.qkNorm = .head
            // Scales of the residual stream, and the decay of each key head from the values.
            block.extraParameters =
                product(2, hidden) + product(block.kvHeads, block.kvHeads, block.headSize)
                + block.kvHeads * (hasBias ? 2 : 1)
        }
        return draft
    }

    private static func mistral(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        draft.setWindows(c) { _ in true }
        return draft
    }

    private static func internLM3(_ c: Configuration) -> Draft { Draft(c, attentionBias: "qkv_bias", mlpBias: "bias") }

    static func qwen2(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        draft.biases = [.attentionInput]
        draft.setQwenWindows(c)
        return draft
    }

    static func qwen3(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { $0.qkNorm = .head }
        draft.setQwenWindows(c)
        return draft
    }

    /// MiMo 7B is Qwen 2 with layers for multi-token prediction, which the count of the model leaves out.
    private static func mimo(_ c: Configuration) -> Draft {
        var draft = qwen2(c)
        if let layers = c.optional("num_nextn_predict_layers"), layers > 0, let block = draft.blocks.first {
            let (h, d) = (draft.hidden, block.headSize)
            let attention =
                product(2 * (block.heads + block.kvHeads), d, h) + product(block.heads + 2 * block.kvHeads, d)
            let one = attention + product(3, h, block.ffn) + 5 * h + product(2, h, h)
            draft.notes.append(
                "\(layers) layer of multi-token prediction in the checkpoint, \(product(layers, one)) parameters, is not "
                    + "counted")
        }
        return draft
    }

    private static func gemma2(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { $0.norms = .both }
        draft.setWindows(c) { ($0 + 1) % 2 != 0 }
        return draft
    }

    private static func gemma3(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { block in
            block.norms = .both
            block.qkNorm = .head
        }
        let period = c.optional("sliding_window_pattern", from: 1) ?? 6
        draft.setWindows(c) { ($0 + 1) % period != 0 }
        return draft
    }

    private static func olmo2(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.each { block in
            block.norms = .post
            block.qkNorm = .whole
        }
        draft.setWindows(c) { c.type == "olmo3" && ($0 + 1) % 4 != 0 }
        return draft
    }

    private static func cohere(_ c: Configuration) -> Draft {
        var draft = Draft(c, mlpBias: "")
        draft.norm = .layerNormNoBias
        let hasNorm = c.type == "cohere" && c.flag("use_qk_norm")
        draft.each { block in
            block.parallel = .oneNorm
            if hasNorm { block.qkNorm = .heads }
        }
        if c.type != "cohere" {
            let period = c.optional("sliding_window_pattern", from: 1) ?? 4
            draft.setWindows(c) { ($0 + 1) % period != 0 }
        }
        return draft
    }

    private static func glm(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        if c.flag("attention_bias") { draft.biases.insert(.attentionInput) }
        return draft
    }

    private static func glm4(_ c: Configuration) -> Draft {
        var draft = glm(c)
        if c.type == "glm4v_text" { draft.biases = [.attentionInput] }
        draft.each { $0.norms = .both }
        return draft
    }

    private static func nemotron(_ c: Configuration) -> Draft {
        var draft = Draft(c)
        draft.norm = .layerNorm
        draft.each { $0.mlp = c.plain() }
        return draft
    }
}

extension Draft {
    /// Sets the windows of Qwen's models: from `max_window_layers` on, if windows are used at all.
    mutating func setQwenWindows(_ c: Configuration) {
        let (isUsed, first) = (c.flag("use_sliding_window"), c.optional("max_window_layers") ?? 0)
        guard isUsed else {
            c.ignore("sliding_window", "max_window_layers", "layer_types")
            return
        }
        setWindows(c) { $0 >= first }
    }
}

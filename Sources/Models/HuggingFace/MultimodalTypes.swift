internal import Reading

/// Language models that come as parts of models of images or sound, after the modules of transformers 5.24. Those that
/// are Llamas, Qwens or Gemmas stand with these.
enum MultimodalTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        "mllama_text_model": mllama, "moshi": moshi, "kyutai_speech_to_text": moshi,
        "kosmos_2_text_model": kosmos, "kosmos_2_5_text_model": kosmos,
        "voxtral_realtime_text": { c in
            var draft = Draft(c, attentionBias: "", mlpBias: "")
            let hidden = draft.hidden
            // Two products of 32 numbers, which scale a norm by the delay of the sound.
            draft.each { $0.extraParameters = product(2, 32, hidden) }
            draft.setWindows(c) { _ in true }
            return draft
        },
        "cosmos3_edge_text": { c in
            var draft = Draft(c)
            draft.each { $0.mlp = c.plain() }
            return draft
        },
    ]

    /// Llama 3.2 with images: the attention of some layers sees the images in place of the text.
    private static func mllama(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "")
        let crossing = c.layerNumbers("cross_attention_layers", of: draft.blocks.count) ?? []
        draft.each { layer, block in
            guard crossing.contains(layer) else { return }
            block.qkNorm = .head
            // A gate behind each half.
            block.extraParameters = 2
        }
        // Eight entries of the table that the head has no rows for.
        draft.otherParameters = product(8, draft.hidden)
        if !crossing.isEmpty {
            draft.notes.append(
                "\(crossing.count) layers attend to images; they are priced as if they attended to the text")
        }
        return draft
    }

    /// Moshi and Kyutai's recogniser: `ffn_dim` counts both inputs of the gated activation.
    private static func moshi(_ c: Configuration) -> Draft {
        var draft = Draft(c, attentionBias: "", mlpBias: "", ffn: max(1, c.count("ffn_dim") / 2))
        draft.setWindows(c) { _ in true }
        // The table has a row more for the start, and the recogniser's the codes of the sound.
        let codes =
            c.type == "moshi"
            ? 0 : product(c.optional("num_codebooks") ?? 0, c.optional("codebook_vocab_size") ?? 0)
        draft.otherParameters = product(codes + 1, draft.hidden)
        return draft
    }

    private static func kosmos(_ c: Configuration) -> Draft {
        var draft = GPTTypes.plain(c, ffn: c.optional("ffn_dim", from: 1))
        let hidden = draft.hidden
        draft.positions = .none
        draft.biases = Bias.ofGPT
        let hasInnerNorm = c.type == "kosmos_2_text_model"
        // Norms before the output projection and before the second product of the feed-forward network.
        draft.each { $0.extraParameters = (hasInnerNorm ? 2 * hidden : 0) + 2 * $0.ffn }
        // Two segments have an embedding each.
        if !hasInnerNorm { draft.otherParameters = product(2, hidden) }
        return draft
    }
}

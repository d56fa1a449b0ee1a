/// `--hybrid-layer-pattern`: a letter for every half block of a model that mixes attention with Mamba.
struct MegatronHybrid {
    let letters: [Character]
    let setting: Setting?

    /// Kinds of half blocks by their letters (megatron/core/models/hybrid/hybrid_layer_allocation.py).
    private static let kinds: [Character: String] = ["M": "mixer", "*": "attention", "-": "network", "E": "experts"]

    /// The pattern; nil: there is none, or one that was reported.
    static func read(_ reader: SettingsReader) -> MegatronHybrid? {
        for name in ["hybrid_layer_pattern", "hybrid_override_pattern"] {
            guard let text = reader.word(name) else { continue }
            // Bars end stages of a pipeline; what stands behind a slash predicts further tokens.
            let letters = text.prefix { $0 != "/" }.filter { $0 != "|" }
            guard text.allSatisfy({ $0 != "/" }), !letters.isEmpty, letters.allSatisfy({ kinds[$0] != nil }) else {
                reader.fail(
                    name, "must be letters M (Mamba), * (attention), - (network) and E (experts)",
                    fix: "write the plan's model.kinds by hand")
                return nil
            }
            return MegatronHybrid(letters: Array(letters), setting: reader.place(name))
        }
        return nil
    }

    /// Writes the kinds of blocks and their pattern.
    func write(to draft: inout PlanDraft, reader: SettingsReader, hidden: Int) {
        let used = Set(letters)
        if used.contains("M") {
            let size = reader.count("mamba_head_dim", in: 1...1_000_000) ?? 64
            // Megatron-Core widens the rows twice for Mamba unless it is told the heads.
            let heads = reader.count("mamba_num_heads", in: 1...1_000_000) ?? max(1, 2 * hidden / size)
            for (key, value, name) in [
                ("heads", heads, "mamba_num_heads"), ("headSize", size, "mamba_head_dim"),
                ("stateSize", reader.count("mamba_state_dim", in: 1...1_000_000) ?? 128, "mamba_state_dim"),
                ("groups", reader.count("mamba_num_groups", in: 1...1_000_000) ?? 8, "mamba_num_groups"),
            ] {
                draft.set("model.kinds.mixer.mamba2.\(key)", .count(value), from: reader.place(name))
            }
            draft.set("model.kinds.mixer.halves", .word("attention"), from: setting)
        }
        if used.contains("*") { draft.set("model.kinds.attention.halves", .word("attention"), from: setting) }
        let hasExperts = draft.has("model.moe.experts")
        if used.contains("-") {
            draft.set("model.kinds.network.halves", .word("feedForward"), from: setting)
            if hasExperts { draft.set("model.kinds.network.moe", .word("none"), from: setting) }
        }
        if used.contains("E") { draft.set("model.kinds.experts.halves", .word("feedForward"), from: setting) }
        if hasExperts {
            for kind in ["mixer", "attention"] where draft.has("model.kinds.\(kind).halves") {
                draft.set("model.kinds.\(kind).moe", .word("none"), from: setting)
            }
        }
        draft.set("model.pattern", .list(letters.compactMap { Self.kinds[$0] }), from: setting)
    }
}

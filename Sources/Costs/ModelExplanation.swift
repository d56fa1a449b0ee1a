internal import Models
internal import Plans

/// Parameters and FLOPs of the model, by its family.
extension LayoutWork {
    private var hasBiases: Bool { model.family == .gpt }
    var hasDense: Bool { model.denseLayers > 0 }
    var hasExperts: Bool { model.mixtureLayers > 0 }
    /// The two norms of a block: a scale each, and a shift with biases.
    var norms: String { hasBiases ? "4·h" : "2·h" }
    /// The shared experts' feed-forward, where there are any.
    var hasShared: Bool { (model.moe?.sharedWidth ?? 0) > 0 }

    func explainParameters(_ lines: inout Derivation) {
        lines.derive(
            "attention of a block", as: "A", attentionParameters, "parameters",
            after: model.mla == nil ? "Narayanan et al. 2021, equation 2" : "DeepSeek-AI 2024, DeepSeek-V2, section 2.1"
        )
        if hasDense {
            lines.derive(
                "feed-forward of a block", as: "F",
                sum("n_m·h·f", hasBiases ? "(n_m − 1)·f + h" : nil), "parameters",
                after: "Narayanan et al. 2021, equation 2")
        }
        if hasExperts {
            lines.derive(
                "experts of a block, with their router", as: "X",
                sum("h·E", "E·n_m·h·f_e", hasShared ? "n_s·n_m·h·f_s" : nil), "parameters",
                after: "DeepSeek-AI 2024, section 2.1.2")
        }
        let blocks: String =
            switch (hasDense, hasExperts) {
            case (true, true): "L·(A + \(norms)) + L_d·F + L_e·X"
            case (false, true): "L·(A + X + \(norms))"
            default: "L·(A + F + \(norms))"
            }
        let tables = model.tiedEmbeddings ? "V·h" : "2·V·h"
        lines.derive(
            "parameters", as: "N", sum(blocks, tables, hasBiases ? "s·h + 2·h" : "h"), "parameters",
            note: "blocks with their norms, \(model.tiedEmbeddings ? "one table (tied)" : "embedding and head"), "
                + (hasBiases ? "positions, final norm" : "final norm"),
            after: "Narayanan et al. 2021, equation 2; layer shapes of the model family")
        lines.derive(
            "active parameters", as: "N_a", hasExperts ? "N − L_e·(E − k)·n_m·h·f_e" : "N", "parameters",
            note: hasExperts ? "without the experts a token does not pass through" : "all of a dense model")
    }

    private var attentionParameters: String {
        guard let mla = model.mla else {
            return sum("2·h·a·d + 2·h·g·d", hasBiases ? "a·d + 2·g·d + h" : nil)
        }
        return sum(
            mla.queryRank > 0 ? "(h + 1)·r_q + r_q·a·(d_n + d_r)" : "h·a·(d_n + d_r)",
            "h·(r_k + d_r) + r_k", "r_k·a·(d_n + d_v)", "a·d_v·h", hasBiases ? "a·(2·d_n + d_r + d_v) + h" : nil)
    }

    /// The width of the core attention: half of what a token and a key cost.
    private var core: String { model.mla == nil ? "a·d" : "a·(d_n + d_r + d_v)/2" }

    /// What every token multiplies, of the blocks.
    private var blockWeights: String { sum(hasDense ? "L_d·W_d" : nil, hasExperts ? "L_e·W_e" : nil) }

    func explainFLOPs(_ lines: inout Derivation) {
        let attention: String
        if let mla = model.mla {
            attention = sum(
                mla.queryRank > 0 ? "(h + a·(d_n + d_r))·r_q" : "h·a·(d_n + d_r)", "h·(r_k + d_r)",
                "r_k·a·(d_n + d_v)", "a·d_v·h")
        } else {
            attention = "h·d·(2·a + 2·g)"
        }
        lines.derive("attention weights a token multiplies", as: "W_a", attention, "weights")
        if hasDense {
            lines.derive("weights of a dense block a token multiplies", as: "W_d", "W_a + n_m·h·f", "weights")
        }
        if hasExperts {
            lines.derive(
                "weights of a block with experts a token multiplies", as: "W_e",
                sum("W_a", "h·E", "k·n_m·h·f_e", hasShared ? "n_s·n_m·h·f_s" : nil), "weights")
        }
        lines.derive(
            "model FLOPs", as: "M", "6·B·s·(\(blockWeights) + V·h) + 12·B·s^2·L·\(core)", "FLOP",
            after: "Korthikanti et al. 2022, appendix A (full attention, no recompute)")
        lines.derive(
            "model FLOPs, causal", as: "M_c", "M − 6·B·s^2·L·\(core)", "FLOP", note: "half of the attention",
            after: "Megatron-LM num_floating_point_operations")
        explainHardwareFLOPs(&lines)
    }

    private func explainHardwareFLOPs(_ lines: inout Derivation) {
        let (formula, note, source): (String, String, String)
        switch layout.recompute {
        case .none: (formula, note, source) = ("M", "no recomputation", "")
        case .selective where rates.framework.selectiveOperations:
            formula = "M + B·s·(\(blockWeights))"
            note = "every second product of the blocks is computed again, attention is not"
            source = "torchtitan's selective activation checkpointing"
        case .selective:
            formula = "M + 12·B·s^2·L·\(core)"
            (note, source) = ("core attention is recomputed", "Korthikanti et al. 2022, appendix A")
        case .full:
            source = "Narayanan et al. 2021, equation 3"
            guard layout.recomputeLayers != nil else {
                formula = "M + 2·B·s·(\(blockWeights)) + 4·B·s^2·L·\(core)"
                note = "one more forward of the blocks"
                break
            }
            let (dense, mixtures) = recomputedBlocks
            lines.know("R_d", dense, "blocks", "blocks without experts that are recomputed")
            lines.know("R_e", mixtures, "blocks", "blocks with experts that are recomputed")
            let weights = sum(hasDense ? "R_d·W_d" : nil, hasExperts ? "R_e·W_e" : nil)
            let count = sum(hasDense ? "R_d" : nil, hasExperts ? "R_e" : nil)
            formula = "M + 2·B·s·(\(weights)) + 4·B·s^2·(\(count))·\(core)"
            note = "one more forward of the first blocks of every stage"
        }
        lines.derive("hardware FLOPs", as: "H", formula, "FLOP", note: note, after: source)
    }
}

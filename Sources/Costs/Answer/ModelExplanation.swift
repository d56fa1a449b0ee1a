internal import Models
internal import Plans

/// Parameters and FLOPs of the model, by its family.
extension LayoutWork {
    var hasBiases: Bool { model.conventions.hasBiases }
    var hasDense: Bool { model.denseLayers > 0 }
    var hasExperts: Bool { model.mixtureLayers > 0 }
    /// The two norms of a block: a scale each, and a shift with biases.
    var norms: String { hasBiases ? "4·h" : "2·h" }
    /// The norm behind the last block.
    var finalNorm: String { hasBiases ? "2·h" : "h" }
    var attentionWords: AttentionWords { parts.attention.words }
    func feedForwardWords(_ isMixture: Bool) -> FeedForwardWords { parts.block(isMixture: isMixture).feedForward.words }

    func explainParameters(_ lines: inout Derivation) {
        lines.derive(
            "attention of a block", as: "A", attentionWords.parameters, "parameters", after: attentionWords.source)
        if hasDense {
            lines.derive(
                "feed-forward of a block", as: "F",
                feedForwardWords(false).parameters, "parameters",
                after: "Narayanan et al. 2021, equation 2")
        }
        if hasExperts {
            lines.derive(
                "experts of a block, with their router", as: "X",
                feedForwardWords(true).parameters, "parameters",
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
            "parameters", as: "N", sum(blocks, tables, parts.positions > 0 ? "s·h" : nil, finalNorm), "parameters",
            note: "blocks with their norms, \(model.tiedEmbeddings ? "one table (tied)" : "embedding and head"), "
                + (parts.positions > 0 ? "positions, final norm" : "final norm"),
            after: "Narayanan et al. 2021, equation 2; layer shapes of the model family")
        lines.derive(
            "active parameters", as: "N_a", hasExperts ? "N − L_e·(E − k)·n_m·h·f_e" : "N", "parameters",
            note: hasExperts ? "without the experts a token does not pass through" : "all of a dense model")
    }

    /// What every token multiplies, of the blocks.
    private var blockWeights: String { sum(hasDense ? "L_d·W_d" : nil, hasExperts ? "L_e·W_e" : nil) }

    func explainFLOPs(_ lines: inout Derivation) {
        lines.derive("attention weights a token multiplies", as: "W_a", attentionWords.weights, "weights")
        if hasDense {
            lines.derive(
                "weights of a dense block a token multiplies", as: "W_d",
                sum(["W_a"] + feedForwardWords(false).weights), "weights")
        }
        if hasExperts {
            lines.derive(
                "weights of a block with experts a token multiplies", as: "W_e",
                sum(["W_a"] + feedForwardWords(true).weights), "weights")
        }
        lines.derive(
            "model FLOPs", as: "M", "6·B·s·(\(blockWeights) + V·h) + 12·B·s^2·L·\(attentionWords.core)", "FLOP",
            after: "Korthikanti et al. 2022, appendix A (full attention, no recompute)")
        lines.derive(
            "model FLOPs, causal", as: "M_c", "M − 6·B·s^2·L·\(attentionWords.core)", "FLOP",
            note: "half of the attention",
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
            formula = "M + 12·B·s^2·L·\(attentionWords.core)"
            (note, source) = ("core attention is recomputed", "Korthikanti et al. 2022, appendix A")
        case .full:
            source = "Narayanan et al. 2021, equation 3"
            guard layout.recomputeLayers != nil else {
                formula = "M + 2·B·s·(\(blockWeights)) + 4·B·s^2·L·\(attentionWords.core)"
                note = "one more forward of the blocks"
                break
            }
            let (dense, mixtures) = recomputedBlocks
            lines.know("R_d", dense, "blocks", "blocks without experts that are recomputed")
            lines.know("R_e", mixtures, "blocks", "blocks with experts that are recomputed")
            let weights = sum(hasDense ? "R_d·W_d" : nil, hasExperts ? "R_e·W_e" : nil)
            let count = sum(hasDense ? "R_d" : nil, hasExperts ? "R_e" : nil)
            formula = "M + 2·B·s·(\(weights)) + 4·B·s^2·(\(count))·\(attentionWords.core)"
            note = "one more forward of the first blocks of every stage"
        }
        lines.derive("hardware FLOPs", as: "H", formula, "FLOP", note: note, after: source)
    }
}

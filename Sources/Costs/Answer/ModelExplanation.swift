internal import Models
internal import Plans

/// Explains parameters and FLOPs of the model, by its parts.
struct ModelExplanation {
    private let work: LayoutWork
    private let words: ModelWords
    private var layout: Layout { work.layout }
    private var model: Model { work.model }

    init(_ work: LayoutWork) {
        self.work = work
        words = ModelWords(work)
    }

    func addParameters(to lines: inout Derivation) {
        lines.derive(
            "attention of a block", as: "A", words.attention.parameters, "parameters", after: words.attention.source)
        if words.hasDense {
            lines.derive(
                "feed-forward of a block", as: "F",
                words.feedForward(false).parameters, "parameters",
                after: "Narayanan et al. 2021, equation 2")
        }
        if words.hasExperts {
            lines.derive(
                "experts of a block, with their router", as: "X",
                words.feedForward(true).parameters, "parameters",
                after: "DeepSeek-AI 2024, section 2.1.2")
        }
        let blocks: String =
            switch (words.hasDense, words.hasExperts) {
            case (true, true): "L·(A + \(words.norms)) + L_d·F + L_e·X"
            case (false, true): "L·(A + X + \(words.norms))"
            default: "L·(A + F + \(words.norms))"
            }
        let tables = words.isTied ? EndWords.table : "2·\(EndWords.table)"
        let positions = words.embedding.wholeParameters
        lines.derive(
            "parameters", as: "N", sum(blocks, tables, positions, words.head.wholeParameters),
            "parameters",
            note: "blocks with their norms, \(words.isTied ? "one table (tied)" : "embedding and head"), "
                + (positions != nil ? "positions, final norm" : "final norm"),
            after: "Narayanan et al. 2021, equation 2; layer shapes of the model family")
        lines.derive(
            "active parameters", as: "N_a", words.hasExperts ? "N − L_e·(E − k)·n_m·h·f_e" : "N", "parameters",
            note: words.hasExperts ? "without the experts a token does not pass through" : "all of a dense model")
    }

    /// Formula of the blocks' weights that a token is multiplied by.
    private var blockWeights: String { sum(words.hasDense ? "L_d·W_d" : nil, words.hasExperts ? "L_e·W_e" : nil) }

    func addFLOPs(to lines: inout Derivation) {
        lines.derive("attention weights a token multiplies", as: "W_a", words.attention.weights, "weights")
        if words.hasDense {
            lines.derive(
                "weights of a dense block a token multiplies", as: "W_d",
                sum(["W_a"] + words.feedForward(false).weights), "weights")
        }
        if words.hasExperts {
            lines.derive(
                "weights of a block with experts a token multiplies", as: "W_e",
                sum(["W_a"] + words.feedForward(true).weights), "weights")
        }
        lines.derive(
            "model FLOPs", as: "M", "6·B·s·(\(blockWeights) + \(EndWords.table)) + 12·B·s^2·L·\(words.attention.core)",
            "FLOP",
            after: "Korthikanti et al. 2022, appendix A (full attention, no recompute)")
        lines.derive(
            "model FLOPs, causal", as: "M_c", "M − 6·B·s^2·L·\(words.attention.core)", "FLOP",
            note: "half of the attention",
            after: "Megatron-LM num_floating_point_operations")
        addHardwareFLOPs(to: &lines)
    }

    private func addHardwareFLOPs(to lines: inout Derivation) {
        let (formula, note, source): (String, String, String)
        switch layout.recompute {
        case .none: (formula, note, source) = ("M", "no recomputation", "")
        case .selective where work.framework.selectiveOperations:
            formula = "M + B·s·(\(blockWeights))"
            note = "every second product of the blocks is computed again, attention is not"
            source = "torchtitan's selective activation checkpointing"
        case .selective:
            formula = "M + 12·B·s^2·L·\(words.attention.core)"
            (note, source) = ("core attention is recomputed", "Korthikanti et al. 2022, appendix A")
        case .full:
            source = "Narayanan et al. 2021, equation 3"
            guard layout.recomputeLayers != nil else {
                formula = "M + 2·B·s·(\(blockWeights)) + 4·B·s^2·L·\(words.attention.core)"
                note = "one more forward of the blocks"
                break
            }
            let (dense, mixtures) = StepFLOPs.recomputedBlocks(work)
            lines.define("R_d", dense, "blocks", "blocks without experts that are recomputed")
            lines.define("R_e", mixtures, "blocks", "blocks with experts that are recomputed")
            let weights = sum(words.hasDense ? "R_d·W_d" : nil, words.hasExperts ? "R_e·W_e" : nil)
            let count = sum(words.hasDense ? "R_d" : nil, words.hasExperts ? "R_e" : nil)
            formula = "M + 2·B·s·(\(weights)) + 4·B·s^2·(\(count))·\(words.attention.core)"
            note = "one more forward of the first blocks of every stage"
        }
        lines.derive("hardware FLOPs", as: "H", formula, "FLOP", note: note, after: source)
    }
}

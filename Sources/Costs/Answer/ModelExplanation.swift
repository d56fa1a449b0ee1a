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
        for kind in words.attentionKinds {
            lines.derive(
                "\(kind.attention.name) of a block\(kind.ofKind)", as: kind.own("A"),
                kind.own(kind.attention.parameters),
                "parameters",
                after: kind.attention.source)
        }
        for kind in words.kinds {
            lines.derive(
                kind.isMixture
                    ? "experts of a block\(kind.ofKind), with their router" : "feed-forward of a block\(kind.ofKind)",
                as: kind.own(kind.isMixture ? "X" : "F"), kind.own(kind.feedForward.parameters), "parameters",
                after: kind.isMixture ? "DeepSeek-AI 2024, section 2.1.2" : "Narayanan et al. 2021, equation 2")
        }
        func halves(_ kind: KindWords) -> String { kind.own(kind.isMixture ? "A + X" : "A + F") }
        let blocks: String =
            if !words.isPlain {
                words.sumOverKinds("L") { "(\(sum(halves($0), $0.norms, $0.projection)))" }
            } else if words.kinds.count > 1 {
                "L·(\(sum("A", words.kinds.first?.norms))) + L_d·F + L_e·X"
            } else {
                "L·(\(sum(words.kinds.first.map(halves) ?? "0", words.kinds.first?.norms)))"
            }
        let tables: String? =
            !words.embedding.hasTable
            ? nil : words.isTied ? words.embedding.table : "2·\(words.embedding.table)"
        let positions = words.embedding.wholeParameters
        lines.derive(
            "parameters", as: "N",
            sum(blocks, Self.adapters(words), tables, positions, words.head.wholeParameters),
            "parameters",
            note: !words.embedding.hasTable
                ? "blocks with their norms, first and last layers"
                : "blocks with their norms, \(words.isTied ? "one table (tied)" : "embedding and head"), "
                    + (positions != nil ? "positions, final norm" : "final norm"),
            after: "Narayanan et al. 2021, equation 2; layer shapes of the model family")
        let unused = words.kinds.filter(\.isMixture).map { kind in
            let unused = "(E − k)·(\(kind.expertParameters))"
            let corrections = kind.block.mixture?.routerCorrection == true
            return " − L_\(kind.symbol)·\(kind.own(corrections ? "(\(unused) + E)" : unused))"
        }
        lines.derive(
            "active parameters", as: "N_a", "N" + unused.joined(), "parameters",
            note: words.hasExperts ? "without the experts a token does not pass through" : "all of a dense model")
    }

    /// Formula of the blocks' weights that a token is multiplied by.
    private var blockWeights: String { words.sumOverKinds("L") { "W_\($0.symbol)" } }

    /// Formula of the weights at both ends that a token is multiplied by.
    private var endWeights: String {
        words.embedding.hasTable ? words.head.weights : sum(words.embedding.weights, words.head.weights)
    }

    /// Whether a kind has softmax attention.
    private var hasCore: Bool { words.kinds.contains { $0.block.core.heads > 0 } || !words.hasScans }

    /// Formula of the multiply-adds of a token in all recurrences of token mixers; nil if there are none.
    private func scans(_ count: String, times factor: String = "") -> String? {
        sumOrNil(
            words.kinds.filter { $0.attention.scan != nil }.map {
                "\(factor)\(count)_\($0.symbol)·\($0.own("W_s"))"
            })
    }

    /// Formula of half of the multiply-adds of one token and one key, over all blocks; nil if there are none.
    private func core(_ count: String) -> String? {
        guard hasCore else { return nil }
        guard words.isPlain, let kind = words.kinds.first else {
            return "(\(words.sumOverKinds(count) { $0.own($0.attention.withCross) }))"
        }
        return "\(count)·\(kind.attention.withCross)"
    }

    /// Formula of the part of `core` that causal masks hide half of; nil if there is none.
    private var causal: String? {
        let kinds = words.kinds.filter { $0.block.core.heads > 0 && $0.block.shape.causal }
        guard hasCore, !kinds.isEmpty || words.kinds.allSatisfy({ $0.block.shape.causal }) else { return nil }
        if kinds.count < words.kinds.count, !kinds.isEmpty {
            return "(\(sum(kinds.map { "L_\($0.symbol)·\($0.own($0.attention.core))" })))"
        }
        guard words.isPlain, let kind = words.kinds.first else {
            return "(\(words.sumOverKinds("L") { $0.own($0.attention.core) }))"
        }
        return "L·\(kind.attention.core)"
    }

    func addFLOPs(to lines: inout Derivation) {
        for kind in words.attentionKinds {
            lines.derive(
                "\(kind.attention.name) weights a token multiplies\(kind.ofKind)", as: kind.own("W_a"),
                kind.own(kind.attention.weights), "weights"
            )
            if let scan = kind.attention.scan {
                lines.derive(
                    "multiply-adds of a token in the recurrence of a \(kind.attention.name)\(kind.ofKind)",
                    as: kind.own("W_s"),
                    kind.own(scan), "multiply-adds", after: kind.attention.source)
            }
        }
        for kind in words.kinds {
            lines.derive(
                "weights of a \(kind.name) a token multiplies", as: "W_\(kind.symbol)",
                sum(
                    kind.own(["W_a"] + kind.feedForward.weights + [kind.block.normWords.weights].compactMap { $0 })
                        + [
                            kind.projection, kind.adapters, kind.expertAdapters.map { "\(kind.own("k"))·\($0)" },
                        ].compactMap(\.self)),
                "weights")
        }
        let left = Self.defineLeftOut(&lines, work)
        lines.derive(
            "model FLOPs", as: "M",
            sum(
                "6·B·s·(\(sum(blockWeights, scans("L"), endWeights)))", core("L").map { "12·B·s^2·\($0)" })
                + left.all,
            "FLOP",
            after: "Korthikanti et al. 2022, appendix A (full attention, no recompute)")
        lines.derive(
            "model FLOPs, causal", as: "M_c", "M" + (causal.map { " − 6·B·s^2·\($0)" } ?? "") + left.causal, "FLOP",
            note: causal == nil && hasCore ? "all of the attention: no mask hides keys" : "half of the attention",
            after: "Megatron-LM num_floating_point_operations")
        addHardwareFLOPs(to: &lines)
    }

    private func addHardwareFLOPs(to lines: inout Derivation) {
        var (formula, note, source): (String, String, String)
        switch layout.recompute {
        case .none: (formula, note, source) = ("M", "no recomputation", "")
        case .selective where !layout.recomputeModules.isEmpty:
            let modules = layout.recomputeModules
            let weights = words.kinds.filter { !$0.hasNoBackward }.compactMap { kind in
                sumOrNil(kind.block.recomputations(of: modules).flatMap { kind.own($0.weights) }).map {
                    "L_\(kind.symbol)·(\($0))"
                }
            }
            formula = sum(
                "M", sumOrNil(weights).map { "2·B·s·(\($0))" },
                modules.contains(.coreAttention) ? core("L").map { "12·B·s^2·\($0)" } : nil)
            if work.model.tuning != nil, modules.contains(.coreAttention) { formula += " − 12·B·s·U_c" }
            note = "recomputed: \(modules.words)"
            source = "Megatron-Core's --recompute-modules; core attention as in Korthikanti et al. 2022, appendix A"
        case .selective where work.framework.selectiveOperations:
            formula = sum("M", "B·s·(\(sum(blockWeights, scans("L", times: "2·"))))")
            if work.model.tuning != nil { formula += " − B·s·(U_1 + 2·U_s)" }
            note = "every second product of the blocks is computed again, attention is not"
            source = "torchtitan's selective activation checkpointing"
        case .selective:
            formula = sum("M", core("L").map { "12·B·s^2·\($0)" })
            if work.model.tuning != nil { formula += " − 12·B·s·U_c" }
            (note, source) = ("core attention is recomputed", "Korthikanti et al. 2022, appendix A")
        case .full:
            source = "Narayanan et al. 2021, equation 3"
            guard layout.recomputed.keepsSome else {
                formula = sum(
                    "M", "2·B·s·(\(sum(blockWeights, scans("L"))))", core("L").map { "4·B·s^2·\($0)" })
                if work.model.tuning != nil { formula += " − 2·B·s·(U_1 + U_s) − 4·B·s·U_c" }
                note = "one more forward of the blocks"
                break
            }
            for (kind, count) in zip(words.kinds, StepFLOPs.recomputedBlocks(work)) {
                lines.define(
                    "R_\(kind.symbol)", kind.hasNoBackward ? 0 : count, "blocks", "\(kind.names) that are recomputed")
            }
            let weights = words.sumOverKinds("R") { "W_\($0.symbol)" }
            let plain = words.isPlain ? words.kinds.first : nil
            let core =
                plain.map { "(\(sum(words.kinds.map { "R_\($0.symbol)" })))·\($0.attention.withCross)" } ?? core("R")
            formula = sum(
                "M", "2·B·s·(\(sum(weights, scans("R"))))", hasCore ? "4·B·s^2·\(core ?? "0")" : nil)
            note = "one more forward of the recomputed blocks"
        }
        let beyond = beyondCapacity(&lines)
        let isFused = work.plan.loss.kind == .fused
        lines.derive(
            "hardware FLOPs", as: "H",
            sum(formula, isFused ? "\(2 * words.head.losses)·B·s·V·\(words.embedding.width)" : nil, beyond), "FLOP",
            note: note + (isFused ? ", and the logits in the loss's backward" : "")
                + (beyond == nil ? "" : "; experts compute as many rows as they have room for"), after: source)
    }

    /// Formula of the FLOPs of rows that experts compute beyond those routed to them, which is negative where rows are
    /// dropped; nil: they compute these rows and no other.
    private func beyondCapacity(_ lines: inout Derivation) -> String? {
        let isPartial = layout.recompute == .full && layout.recomputed.keepsSome
        let repeatsExperts = layout.modulesAgain.contains(.mixture)
        let passes =
            switch layout.recompute {
            case .none: "6"
            case .selective where !layout.modulesAgain.isEmpty: repeatsExperts ? "8" : "6"
            case .selective: work.framework.selectiveOperations ? "7" : "6"
            case .full: isPartial ? "6" : "8"
            }
        let terms = words.kinds.compactMap { kind -> String? in
            guard let share = StepFLOPs.computedShare(kind.block, work) else { return nil }
            lines.define(
                kind.own("q_c"), share, "", "rows that experts compute over those that are routed to them\(kind.ofKind)"
            )
            let count = "\(passes)·L_\(kind.symbol)"
            return "(\(isPartial ? "\(count) + 2·R_\(kind.symbol)" : count))·"
                + kind.own("(q_c − 1)·\(kind.feedForward.routedWeights)")
        }
        return sumOrNil(terms).map { "B·s·(\($0))" }
    }
}

internal import Models
internal import Plans

/// Explains the bytes that norms of several kernels keep and norms of one kernel do not.
extension ActivationExplanation {
    /// Adds the bytes that a block's norms keep in steps of their own.
    /// - Returns: the term of the block's activations; empty if there are none.
    func addSteps(to lines: inout Derivation, _ kind: KindWords) -> String {
        // Lists of tuned blocks hold these tensors already.
        guard rates.normKernels.areSeveral, !kind.isTuned, !kind.hasNoBackward else { return "" }
        let words = kind.block.normWords
        func term(_ count: String, _ bytes: String) -> String? {
            count == "0" ? nil : "\(kind.own(count))·\(bytes)"
        }
        let more = [rates.normKernels.cast ? term(words.castInputs, "4") : nil, term(words.normalised, "w")]
            .compactMap { $0 }
        guard !more.isEmpty else { return "" }
        let less = rates.normKernels.cast ? term(words.inputs, "w").map { " − \($0)" } ?? "" : ""
        lines.derive(
            "steps of the norms of a \(kind.name)", as: "B_\(kind.symbol)", "T·h/σ·(\(sum(more))\(less))", "bytes",
            note: rates.normKernels.cast ? "fp32 copies in place of inputs; rows before scales" : "rows before scales",
            after: "PyTorch's eager norms")
        return " + B_\(kind.symbol)"
    }

    /// The term of a block's activations for results of norms that are kept as tensor ranks gathered them; empty if there are
    /// none.
    func gathered(_ kind: KindWords) -> String {
        guard framework.memory.keepsGathered, device.sequenceShare > 1, !kind.hasNoBackward else { return "" }
        if kind.isTuned {
            let results = kind.block.kept.filter { $0.role == .normResult }
            return results.isEmpty ? "" : " + (σ − 1)·T·(\(rowBytes(results, of: kind)))"
        }
        let results = kind.block.normWords.results
        return results == "0" ? "" : " + (σ − 1)·T·w·\(kind.own(results))·h/σ"
    }

    /// Formula of the bytes that the norm of an end keeps in steps of its own; nil if there are none.
    func stepsOfNorm(_ end: EndWords) -> String? {
        guard rates.normKernels.areSeveral, let steps = end.stepsOfNorm else { return nil }
        return (rates.normKernels.cast ? steps.cast : steps.single).map { "\($0)·T·h/σ" }
    }
}

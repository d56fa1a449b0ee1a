internal import Models

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

    /// Formula of the bytes that the norm of an end keeps in steps of its own; nil if there are none.
    func stepsOfNorm(_ end: EndWords) -> String? {
        guard rates.normKernels.areSeveral, let steps = end.stepsOfNorm else { return nil }
        return (rates.normKernels.cast ? steps.cast : steps.single).map { "\($0)·T·h/σ" }
    }
}

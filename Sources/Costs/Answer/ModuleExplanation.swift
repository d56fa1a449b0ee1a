internal import Models
internal import Plans

/// Formulas of what blocks keep without recomputed modules, and of what a recipe saves of it.
extension ActivationExplanation {
    /// Formulas of the bytes that a block keeps, and of those that it recomputes at once, if modules are recomputed by
    /// themselves.
    /// - Parameters:
    ///   - core: formula of the core attention's bytes.
    ///   - attended: formula of its result's bytes.
    ///   - remakes: whether the outputs of norms and activations are made again anyway, which `less` takes away.
    func freed(
        _ kind: KindWords, _ core: String, _ attended: String, remakes: Bool, less: String, more: String
    ) -> (kept: String, again: String) {
        let modules = device.modules
        let hasCore = modules.contains(.coreAttention)
        let coreBytes = hasCore ? [core] + (framework.memory.remakesAttention ? [attended] : []) : []
        let combined = framework.keepsCombinedRows ? nil : kind.feedForward.combined
        let isGathered = framework.memory.keepsGathered && device.sequenceShare > 1
        /// The bytes of a row that are freed by these modules.
        func rows(_ some: RecomputeModules) -> [String] {
            if kind.isTuned {
                let freed = kind.block.kept.filter { one in
                    guard rates.normKernels.keeps(one.role) else { return false }
                    if one.role == .combined, !framework.keepsCombinedRows { return false }
                    if remakes, one.role == .normResult || one.role == .activationResult { return false }
                    return !one.madeBy.isDisjoint(with: modules.intersection(some))
                }
                let gathered = isGathered ? freed.filter { $0.role == .normResult } : []
                return [freed.isEmpty ? nil : rowBytes(freed, of: kind)].compactMap { $0 }
                    + (gathered.isEmpty ? [] : ["(σ − 1)·(\(rowBytes(gathered, of: kind)))"])
            }
            let steps = kind.block.kept.filter {
                ($0.role == .castNormInput || $0.role == .normalised || $0.role == .gate)
                    && rates.normKernels.keeps($0.role)
                    && !$0.madeBy.isDisjoint(with: modules.intersection(some))
            }
            return (steps.isEmpty ? [] : [rowBytes(steps, of: kind)])
                + kind.block.recomputations(of: modules).filter { some.contains($0.module) }.compactMap { work in
                    guard let freed = work.freed else { return nil }
                    switch work.module {
                    case .norms, .fusibleNorms:
                        return remakes ? nil : kind.own(isGathered ? "σ·\(freed)" : freed)
                    case .network: return kind.own(remakes ? "w·(n_m − 1)·f/t" : freed)
                    case .mixture: return kind.own(combined.map { "\(freed) − \($0)" } ?? freed)
                    default: return kind.own(freed)
                    }
                }
        }
        func bytes(_ rows: [String]) -> String? { rows.isEmpty ? nil : "T·(\(sum(rows)))" }
        let all: RecomputeModules = [
            .norms, .fusibleNorms, .latentProjections, .network, .mixture, .expertActivation, .sharedExperts,
        ]
        let freed = sumOrNil([bytes(rows(all))] + coreBytes)
        let saved = savedBytes(kind) { !$0.isKept(without: modules) }
        let withProducts = modules.intersection(.withProducts)
        let ofProducts = savedBytes(kind) { !$0.madeBy.isDisjoint(with: withProducts) }
        let stored = storedInputs(kind) { !$0.isDisjoint(with: modules) }
        let network = bytes(rows([.network, .mixture, .expertActivation, .sharedExperts])).map { network in
            network + [ofProducts, stored].compactMap { $0.map { " − \($0)" } }.joined()
        }
        let attention = sumOrNil(coreBytes + [bytes(rows(.latentProjections))])
        let isScaled = kind.block.kept.contains { $0.role == .normalised && rates.normKernels.keeps(.normalised) }
        let isCast = rates.normKernels.cast && kind.block.kept.contains { $0.role == .castNormInput }
        let result = isGathered ? "σ·w" : "w"
        let ofNorm = [isScaled ? (isGathered ? "\(result) + w" : "2·w") : result, isCast ? "4" : nil].compactMap { $0 }
        let norm =
            rows([.norms, .fusibleNorms]).isEmpty
            ? nil : "T·" + (ofNorm.count > 1 || isScaled && isGathered ? "(\(sum(ofNorm)))" : ofNorm[0]) + "·h/σ"
        let inputs = kind.block.kept.filter {
            $0.role == .normInput && rates.normKernels.cast && !$0.readBy.isDisjoint(with: modules)
        }
        return (
            "Z_\(kind.symbol)" + (freed.map { " − (\($0))" } ?? "")
                + (inputs.isEmpty ? "" : " + T·(\(rowBytes(inputs, of: kind)))")
                + [saved, stored].compactMap { $0.map { " + \($0)" } }.joined()
                + less + more,
            sum(largest([network, attention].compactMap { $0 }), norm)
        )
    }

    /// Terms of kept tensors that a recipe keeps in its own format.
    func addRecipe(to lines: inout Derivation, _ kind: KindWords) -> String {
        guard let recipe = rates.recipe else { return "" }
        lines.define("w_i", rates.inputBytes, "bytes", "bytes of a kept number that only products read")
        let saved = savedBytes(kind) { _ in true }.map { " − \($0)" } ?? ""
        let hasCore = !kind.block.attended.isEmpty && recipe.keepsAttended
        let stored = storedInputs(kind) { _ in true }.map { " − \($0)" } ?? ""
        if let bytes = recipe.activationInputBytes {
            lines.define("w_a", bytes, "bytes", "bytes of a kept number that SwiGLU reads")
        }
        return saved + stored + (hasCore ? " + T·w_i·\(kind.own(kind.attention.attended))/t" : "")
    }

    /// Formula of the bytes that a recipe saves of inputs of SwiGLU, by the modules that make them; nil: it saves none.
    private func storedInputs(_ kind: KindWords, _ isCounted: (RecomputeModules) -> Bool) -> String? {
        guard rates.recipe?.activationInputBytes != nil else { return nil }
        let inputs = kind.block.kept.filter { $0.role == .activationInput && isCounted($0.madeBy) }
        return inputs.isEmpty ? nil : "T·(w − w_a)·(\(sum(inputs.map { kind.rowNumbers($0.stored.extent) })))"
    }

    /// Formula of the bytes that a recipe saves of inputs of products; nil: it saves none.
    private func savedBytes(_ kind: KindWords, _ isSaved: (ProductInput) -> Bool) -> String? {
        guard rates.recipe != nil else { return nil }
        var terms: [(words: String, count: Int)] = []
        for input in kind.block.productInputs where input.isReadBack && isSaved(input) {
            if let same = terms.firstIndex(where: { $0.words == input.words }) {
                terms[same].count += 1
            } else {
                terms.append((input.words, 1))
            }
        }
        let numbers = terms.map { $0.count == 1 ? kind.own($0.words) : "\($0.count)·\(kind.own($0.words))" }
        return numbers.isEmpty ? nil : "T·(w − w_i)·(\(sum(numbers)))"
    }
}

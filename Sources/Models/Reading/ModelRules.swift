internal import Numbers
package import Reading

extension Model {
    /// The problem of a shape with more parameters than can be counted; nil if there is none. Its sizes must lie within
    /// `Bounds`.
    package var countProblem: PlanProblem? {
        let total = parameters().approximateTotal
        guard total > Double(Bounds.parameters.upperBound) else { return nil }
        return PlanProblem(
            field: "model", value: "about \(Figures.magnitude(total))",
            rule: "has more parameters than the \(Figures.grouped(Bounds.parameters.upperBound)) that are counted",
            fix: "lower layers, hidden, ffn, vocab or the experts")
    }

    /// All rules that a shape breaks if no reader has checked it: one from a checkpoint's header.
    package var problems: [PlanProblem] {
        var problems = Self.stackSizes.compactMap { $0.problem(of: self) }
        problems += BlockShape.sizes.compactMap { $0.problem(of: block) }
        problems += Self.textSizes.compactMap { $0.problem(of: self) }
        if let moe {
            problems += Model.Mixture.sizes.compactMap { $0.problem(of: moe, in: "moe.") }
            if moe.topK > moe.experts {
                problems.append(
                    PlanProblem(
                        field: "moe.topK", value: "\(moe.topK)", rule: "must be at most the \(moe.experts) experts"))
            }
        }
        if let mla { problems += Model.LatentAttention.sizes.compactMap { $0.problem(of: mla, in: "mla.") } }
        guard problems.isEmpty else { return problems }
        if heads % kvHeads != 0 {
            problems.append(
                PlanProblem(field: "kvHeads", value: "\(kvHeads)", rule: "must divide heads \(heads)"))
        }
        return problems + [countProblem].compactMap(\.self)
    }
}

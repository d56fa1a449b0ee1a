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
        var problems: [PlanProblem] = []
        func check(_ field: String, _ value: Int, _ range: ClosedRange<Int>) {
            guard !range.contains(value) else { return }
            problems.append(
                PlanProblem(
                    field: field, value: "\(value)",
                    rule: "must be a whole number from \(Figures.grouped(range.lowerBound)) to "
                        + Figures.grouped(range.upperBound)))
        }
        func from0(_ range: ClosedRange<Int>) -> ClosedRange<Int> { 0...range.upperBound }
        for size in Self.sizes { if let value = size.value(self) { check(size.key, value, size.bounds) } }
        if let moe {
            check("moe.experts", moe.experts, Bounds.heads)
            check("moe.topK", moe.topK, Bounds.heads)
            check("moe.ffn", moe.ffn, Bounds.ffn)
            check("moe.shared", moe.shared, from0(Bounds.heads))
            check("moe.sharedFfn", moe.sharedFfn, from0(Bounds.ffn))
            check("moe.firstDense", moe.firstDense, from0(Bounds.layers))
            check("moe.every", moe.every, Bounds.layers)
            if moe.topK > moe.experts {
                problems.append(
                    PlanProblem(
                        field: "moe.topK", value: "\(moe.topK)", rule: "must be at most the \(moe.experts) experts"))
            }
        }
        if let mla {
            check("mla.queryRank", mla.queryRank, from0(Bounds.hidden))
            check("mla.kvRank", mla.kvRank, Bounds.hidden)
            check("mla.nopeSize", mla.nopeSize, Bounds.headSize)
            check("mla.ropeSize", mla.ropeSize, Bounds.headSize)
            check("mla.valueSize", mla.valueSize, Bounds.headSize)
        }
        guard problems.isEmpty else { return problems }
        if heads % kvHeads != 0 {
            problems.append(
                PlanProblem(field: "kvHeads", value: "\(kvHeads)", rule: "must divide heads \(heads)"))
        }
        return problems + [countProblem].compactMap(\.self)
    }
}

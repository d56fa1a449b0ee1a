package import Reading

extension Plan {
    /// Choices that are priced by themselves and not together: no formula holds for both at once.
    package func combinationProblems(_ layout: Layout?) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        if loss.kind != .standard, model.mtp != nil {
            problems.append(
                PlanProblem(
                    field: "loss", value: loss.kind.rawValue, rule: "is not priced together with model.mtp",
                    fix: "use loss: standard, or remove model.mtp"))
        }
        guard let layout, let recipe else { return problems }
        let others = layout.modulesAgain.names.filter { $0 != .coreAttention }
        if !others.isEmpty {
            problems.append(
                PlanProblem(
                    field: "layout.recomputeModules",
                    value: "[\(layout.modulesAgain.names.map(\.rawValue).joined(separator: ", "))]",
                    rule: "modules other than core_attn are not priced together with a recipe of 8 or 4 bits",
                    fix: "use [core_attn], or recompute full"))
        }
        guard recipe.bf16LayersAtStart + recipe.bf16LayersAtEnd > 0 else { return problems }
        let field = recipe.bf16LayersAtStart > 0 ? "precision.bf16LayersAtStart" : "precision.bf16LayersAtEnd"
        let value = "\(recipe.bf16LayersAtStart > 0 ? recipe.bf16LayersAtStart : recipe.bf16LayersAtEnd)"
        switch layout.recomputed {
        case .all, .first: break
        case .firstOfStage, .every, .runs:
            problems.append(
                PlanProblem(
                    field: field, value: value,
                    rule: "is not priced together with recomputed blocks by stage, of every n-th block or in runs",
                    fix: "recompute all blocks, or the first ones of every stage"))
        }
        if let sizes = layout.layersPerStage, sizes.first == 0 || sizes.last == 0 {
            problems.append(
                PlanProblem(
                    field: field, value: value,
                    rule: "is not priced together with a first or a last stage without blocks",
                    fix: "give both ends of the pipeline blocks"))
        }
        return problems
    }
}

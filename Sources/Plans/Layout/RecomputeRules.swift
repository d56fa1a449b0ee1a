internal import Models
internal import Reading

extension Layout {
    /// Problems of the blocks that are recomputed whole.
    func recomputeProblems(_ model: Model) -> [PlanProblem] {
        let (field, value): (String, String)
        switch recomputed {
        case .all: return []
        case .first(let count): (field, value) = ("recomputeLayers", "\(count)")
        case .firstOfStage(let counts): (field, value) = ("recomputeLayers", Self.written(counts))
        case .every(let step): (field, value) = ("recomputeEvery", "\(step)")
        case .runs(let length): (field, value) = ("recomputeLayers", "\(length)")
        }
        guard recompute == .full else {
            return [
                PlanProblem(
                    field: "layout.\(field)", value: value,
                    rule: "counts blocks of a stage that are recomputed whole: it needs recompute full",
                    fix: "set layout.recompute to full, or remove it")
            ]
        }
        if case .runs = recomputed, model.mtp != nil {
            return [
                PlanProblem(
                    field: "layout.\(field)", value: value,
                    rule: "must be 1 with model.mtp, whose layers are recomputed one by one",
                    fix: "use 1, or remove it")
            ]
        }
        return []
    }

    /// Problems of numbers of recomputed blocks for each stage.
    var recomputedStageProblems: [PlanProblem] {
        guard recompute == .full, case .firstOfStage(let counts) = recomputed, counts.count != stages else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.recomputeLayers", value: Self.written(counts),
                rule: "must name \(stages) stages (pipeline · virtualStages), it names \(counts.count)",
                fix: "give a number for each stage, or one for all")
        ]
    }

    /// Problems of the modules that are recomputed by themselves.
    func moduleProblems(_ model: Model) -> [PlanProblem] {
        guard !recomputeModules.isEmpty else { return [] }
        guard recompute == .selective else {
            return [
                PlanProblem(
                    field: "layout.recomputeModules", value: recomputeModules.written,
                    rule: "names modules of blocks that are recomputed by themselves: it needs recompute selective",
                    fix: "set layout.recompute to selective, or remove it")
            ]
        }
        let known = ModelParts(model).blocks.reduce(into: RecomputeModules()) { $0.formUnion($1.modules) }
        return recomputeModules.names.filter { !known.has($0) }.map { name in
            PlanProblem(
                .misfit, field: "layout.recomputeModules", value: name.rawValue,
                rule: "the model has no \(name.subject)", fix: "remove \(name.rawValue)")
        }
    }
}

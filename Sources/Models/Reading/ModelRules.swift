package import Reading

extension Model {
    /// All rules that a shape breaks if no reader has checked it: one from a checkpoint's header.
    package var problems: [PlanProblem] {
        var problems = Self.stackSizes.flatMap { $0.problems(of: self) }
        problems += BlockShape.keys.flatMap { $0.problems(of: block) }
        problems += (Self.textSizes + Self.features).flatMap { $0.problems(of: self) }
        for kind in kinds {
            problems += BlockShape.keys.flatMap { $0.problems(of: kind.shape, in: "kinds.\(kind.name).") }
        }
        guard problems.isEmpty else { return problems }
        problems = problemsBetweenSizes
        if let tokens = tokensOfPicture, tokens != sequence {
            problems.append(
                PlanProblem(
                    .misfit, field: "sequence", value: "\(sequence)",
                    rule: "must be the \(tokens) tokens of the picture"))
        }
        guard problems.isEmpty else { return problems }
        return [countProblem].compactMap(\.self)
    }
}

internal import Models
internal import Reading
internal import Schedules

extension Layout {
    var virtualStageProblems: [PlanProblem] {
        guard virtualStages > 1, pipeline == 1 else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.virtualStages", value: "\(virtualStages)", rule: "needs pipeline above 1",
                fix: "remove it")
        ]
    }

    func stageProblems(_ model: Model) -> [PlanProblem] {
        guard stages > model.layers, layersPerStage == nil else { return [] }
        return [
            PlanProblem(
                .misfit, field: virtualStages > 1 ? "layout.virtualStages" : "layout.pipeline",
                value: "\(virtualStages > 1 ? virtualStages : pipeline)",
                rule: "\(stages) stages need at least as many layers, the model has \(model.layers)",
                fix: stageFix(layers: model.layers))
        ]
    }

    var stageCountProblems: [PlanProblem] {
        guard let sizes = layersPerStage, sizes.count != stages else { return [] }
        return [
            PlanProblem(
                .misfit, field: "layout.layersPerStage", value: Self.written(sizes),
                rule: "must name \(stages) stages (pipeline · virtualStages), it names \(sizes.count)")
        ]
    }

    func stageSumProblems(_ model: Model) -> [PlanProblem] {
        guard let sizes = layersPerStage else { return [] }
        var problems: [PlanProblem] = []
        let sum = sizes.reduce(0) { $0.addingReportingOverflow($1).partialValue }
        if sum != model.layers {
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.layersPerStage", value: Self.written(sizes),
                    rule: "must sum to model.layers \(model.layers), it sums to \(sum)"))
        }
        if sizes.contains(where: { $0 < 0 }) {
            problems.append(
                PlanProblem(
                    field: "layout.layersPerStage", value: Self.written(sizes), rule: "no stage has fewer than 0 layers"
                ))
        }
        return problems
    }

    static func written(_ counts: [Int]) -> String { "[\(counts.map(String.init).joined(separator: ", "))]" }

    /// The advice for a layout with more stages than the model has layers: to count the ends as layers where the stages then
    /// are equal.
    private func stageFix(layers: Int) -> String {
        guard StageDivision.withEnds(layers: layers, stages: stages, embedding: true, loss: true) != nil else {
            return fewerStages(layers: layers)
        }
        return fewerStages(layers: layers)
            + ", or set \(StageDivision.embeddingKey) and \(StageDivision.lossKey), which count both as layers"
    }

    /// The advice for a layout with more stages than the model has layers.
    private func fewerStages(layers: Int) -> String {
        // One rank needs no virtual stages, and some schedules need an even number of ranks. A bidirectional pipeline
        // has as many stages as ranks.
        let most = min(layers / max(1, stages / max(1, pipeline)), pipeline - 1)
        let least = virtualStages > 1 ? 2 : 1
        if let ranks = (max(most - 1, least)...max(most, least)).last(where: { ranks in
            ranks <= most
                && schedule.problem(ranks: ranks, virtualStages: virtualStages, microbatches: 4 * ranks) == nil
        }) {
            return "pipeline can be at most \(ranks)"
        }
        let chunks = layers / pipeline
        if schedule.problem(ranks: pipeline, virtualStages: chunks, microbatches: 4 * pipeline) == nil, chunks > 0 {
            return "virtualStages can be at most \(chunks)"
        }
        return "raise model.layers to \(stages), or take another schedule"
    }
}

internal import Costs
internal import Models
internal import Plans
internal import Reading
internal import Schedules

extension SearchSpace {
    /// The layouts among `found` whose schedule has lists for a divided vocabulary, with each way that is asked for. The blocks
    /// are divided again: the output layer is no work of the last stage.
    func withDividedVocabulary(_ found: [PricedLayout], _ plan: Plan) -> [PricedLayout] {
        vocabularyParallel.flatMap { way in
            found.compactMap { priced in
                guard priced.layout.pipeline > 1, priced.layout.schedule.dividesVocabulary else { return nil }
                var changed = priced
                changed.layout.vocabularyParallel = way
                changed.layout.layersPerStage = nil
                let layout = changed.layout
                let problems =
                    layout.problems(for: plan.model, batch: plan.batch, devices: plan.devices)
                    + plan.combinationProblems(layout)
                return problems.isEmpty ? changed : nil
            }
        }
    }

    /// The sentence that says why no layout of the plan can divide the vocabulary as is asked for; nil where one can.
    func whyUndivided(_ plan: Plan) -> String? {
        guard let way = vocabularyParallel.first else { return nil }
        if pipeline.fixed == 1 {
            return "\(way.rawValue) divides the vocabulary over a pipeline, and pipeline is fixed at 1"
        }
        if let schedules, !schedules.contains(where: \.dividesVocabulary) {
            return "\(way.rawValue) needs schedule \(ScheduleName.oneForwardOneBackward.rawValue), which is excluded"
        }
        var layout = base(for: plan)
        (layout.pipeline, layout.vocabularyParallel) = (2, way)
        let problems = layout.vocabularyProblems(plan.model) + plan.combinationProblems(layout)
        return problems.first.map { problem in
            let isOwn = problem.field == "layout.vocabularyParallel"
            return "\(way.rawValue)" + (isOwn ? " " : " is not tried: \(problem.field) ") + problem.rule
        }
    }
}

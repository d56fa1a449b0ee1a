internal import Costs
internal import Models
internal import Plans
internal import Schedules

extension SearchSpace {
    /// The layouts among `found` whose schedule has lists for a divided vocabulary, with each way that is asked for. The blocks
    /// are divided again: the output layer is no work of the last stage.
    func withDividedVocabulary(_ found: [PricedLayout], _ plan: Plan) -> [PricedLayout] {
        // Not priced on groups of unlike devices.
        guard plan.cluster.groups == nil else { return [] }
        return vocabularyParallel.flatMap { way in
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
}

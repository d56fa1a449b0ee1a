package import Costs
package import Plans

/// How well constants that were fitted on all other sources predict a source.
package struct LeaveOneSourceOut: Sendable {
    /// Every row predicted with the constants of the rows of other sources.
    package var overall: ErrorFigures
    package var sources: [(name: String, figures: ErrorFigures)]
}

extension FittedConstants {
    /// Every combination a refit chooses from.
    static var candidates: [FittedConstants] {
        var candidates: [FittedConstants] = []
        for inStep in [0.81, 0.84, 0.87, 0.9, 0.93, 0.96, 1] {
            for contention in [0.0, 0.2, 0.4] {
                for variation in [0.0, 0.0075, 0.015, 0.03] {
                    for unfused in [0.0, 0.7e-3, 1.05e-3, 1.4e-3] {
                        for fused in [0.0, 0.4e-3, 0.8e-3] {
                            var constants = FittedConstants()
                            constants.inStepShare = inStep
                            constants.contention = contention
                            constants.nodeVariation = variation
                            constants.hostUnfused = unfused
                            constants.hostFused = fused
                            candidates.append(constants)
                        }
                    }
                }
            }
        }
        return candidates
    }
}

/// Fits the constants once for every source, without that source, and predicts it with them.
///
/// A fit takes the candidate with the least mean over the sources of their median absolute error: every source counts
/// the same, however many rows it has. Closed forms, so that every candidate prices every row once.
package func leaveOneSourceOut(_ runs: [PublishedRun], options: CostOptions = CostOptions()) -> LeaveOneSourceOut {
    let bySource = Dictionary(grouping: runs.filter { $0.plan != nil && $0.seconds != nil }, by: \.source)
    let names = bySource.keys.sorted()
    // errors[candidate][source]
    let errors: [[[Double]]] = FittedConstants.candidates.map { constants in
        var options = options
        options.fitted = constants
        return names.map { name in (bySource[name] ?? []).compactMap { error(of: $0, options: options) } }
    }
    let medians = errors.map { $0.map { ErrorFigures($0).median } }
    var all: [Double] = []
    var figures: [(name: String, figures: ErrorFigures)] = []
    for (index, name) in names.enumerated() {
        let losses = medians.map { medians in
            medians.enumerated().filter { $0.offset != index && !$0.element.isNaN }.reduce(0) { $0 + $1.element }
        }
        guard let best = losses.indices.min(by: { losses[$0] < losses[$1] }), !errors[best][index].isEmpty else {
            continue
        }
        all += errors[best][index]
        figures.append((name, ErrorFigures(errors[best][index])))
    }
    return LeaveOneSourceOut(overall: ErrorFigures(all), sources: figures)
}

/// Predicted over measured, minus one; nil when the row cannot be priced.
private func error(of run: PublishedRun, options: CostOptions) -> Double? {
    guard let plan = run.plan, let layout = plan.layout, let seconds = run.seconds,
        let pricer = try? Pricer(plan: plan, options: options), let work = try? pricer.work(layout)
    else { return nil }
    return work.iterationTime().seconds / seconds - 1
}

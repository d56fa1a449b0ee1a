package import Costs
internal import Models
internal import Numbers
package import Plans

/// A published run with its prediction.
package struct ValidatedRun: Sendable {
    package var run: PublishedRun
    /// The prediction; nil when the run cannot be priced.
    package var estimate: Estimate?
    /// The reason why the run cannot be priced; empty when it can.
    package var obstacle: String

    /// Predicted over measured seconds, minus one; nil without either.
    package var error: Double? {
        guard let estimate, let seconds = run.seconds else { return nil }
        return estimate.iteration.seconds / seconds - 1
    }

    /// Predicted over measured peak bytes of the fullest device, minus one; nil without either.
    package var memoryError: Double? {
        guard let estimate, case .peak(let bytes, let kind)? = run.memory else { return nil }
        return estimate.peakMemory(kind) / bytes - 1
    }
}

/// Published runs with their predictions, and the errors.
package struct Validation: Sendable {
    package var runs: [ValidatedRun]
    /// Seconds that pricing all runs took.
    package var seconds: Double

    /// Runs that can be priced and have a measured time.
    package var timed: [ValidatedRun] { runs.filter { $0.error != nil } }

    /// The reasons why runs cannot be priced, with their numbers, most frequent first.
    package var obstacles: [(reason: String, count: Int)] {
        let reasons = runs.filter { $0.estimate == nil }.map(\.obstacle)
        return Dictionary(grouping: reasons) { $0 }.map { ($0.key, $0.value.count) }
            .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    /// The errors of `timed` runs, grouped by `key`, in alphabetical order.
    package func figures(by key: (PublishedRun) -> String) -> [(name: String, figures: ErrorFigures)] {
        Dictionary(grouping: timed) { key($0.run) }.map { ($0.key, ErrorFigures($0.value.compactMap(\.error))) }
            .sorted { $0.0 < $1.0 }
    }

    /// The order of the layouts of each model.
    package var ranking: Ranking { Ranking(runs) }

    /// Runs that fitted against those predicted to, by source in alphabetical order.
    package var fit: [(name: String, figures: FitFigures)] {
        Dictionary(grouping: runs.filter { $0.estimate != nil }, by: \.run.source)
            .map { ($0.key, FitFigures($0.value)) }.sorted { $0.0 < $1.0 }
    }
}

/// Statistics of relative prediction errors.
package struct ErrorFigures: Hashable, Sendable {
    package var count: Int
    /// Median, mean and 90th percentile of the absolute relative errors.
    package var median: Double
    package var mean: Double
    package var ninetieth: Double
    /// Median of the signed errors; above 0 predictions are too slow.
    package var bias: Double
    /// Share of the runs predicted within 10 %.
    package var within: Double

    /// - Parameter errors: predicted over measured seconds, minus one.
    package init(_ errors: [Double]) {
        let absolute = Quantiles(errors.map(abs))
        count = errors.count
        median = absolute.at(0.5)
        mean = absolute.sorted.reduce(0, +) / Double(max(1, count))
        ninetieth = absolute.at(0.9)
        bias = Quantiles(errors).at(0.5)
        within = Double(absolute.sorted.filter { $0 <= 0.1 }.count) / Double(max(1, count))
    }
}

/// Prices all runs that can be priced; the simulator times their pipelines.
package func validate(_ runs: [PublishedRun], options: CostOptions = CostOptions()) -> Validation {
    let clock = ContinuousClock()
    var validated: [ValidatedRun] = []
    let elapsed = clock.measure {
        validated = runs.map { run in
            guard let plan = run.plan, let layout = plan.layout else {
                return ValidatedRun(run: run, estimate: nil, obstacle: run.obstacle)
            }
            do throws(PlannerError) {
                let estimate = try price(plan: plan, layout: layout, options: options)
                return ValidatedRun(run: run, estimate: estimate, obstacle: "")
            } catch {
                return ValidatedRun(run: run, estimate: nil, obstacle: error.description)
            }
        }
    }
    let parts = elapsed.components
    return Validation(runs: validated, seconds: Double(parts.seconds) + Double(parts.attoseconds) * 1e-18)
}

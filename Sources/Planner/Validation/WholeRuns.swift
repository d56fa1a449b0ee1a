package import Costs
internal import Models
internal import Numbers
package import Plans

/// Whole published runs and their predictions, each by figures of other organisations.
package struct WholeRuns: Sendable {
    /// GPU-hours as predicted, with the band.
    package struct Prediction: Sendable {
        package var gpuHours: Double
        package var low: Double
        package var high: Double
        /// Reported over predicted GPU-hours.
        package var ratio: Double

        /// Whether the band holds the reported hours.
        package var isInside: Bool { ratio >= low / gpuHours && ratio <= high / gpuHours }
        /// Half of the band over the prediction.
        package var halfWidth: Double { (high - low) / 2 / gpuHours }
    }

    package struct Row: Sendable {
        package var run: PublishedRun
        package var whole: PublishedWhole
        /// With the layout of a search, and with the one that the source states.
        package var auto: Prediction?
        package var stated: Prediction?
    }

    /// How well predictions meet what is reported.
    package struct Figures: Sendable {
        package var count: Int
        /// Reported over predicted.
        package var median: Double
        /// Share of the runs inside their band.
        package var covered: Double
        /// Median of the half-widths.
        package var halfWidth: Double

        init(_ predictions: [Prediction]) {
            count = predictions.count
            median = Quantiles(predictions.map(\.ratio)).at(0.5)
            covered = Double(predictions.count(where: \.isInside)) / Double(max(1, count))
            halfWidth = Quantiles(predictions.map(\.halfWidth)).at(0.5)
        }
    }

    package var rows: [Row]
    /// Figures of all publications, from which every row leaves its organisation out.
    package var practice: PublishedPractice

    /// Figures of the core runs.
    package var auto: Figures { Figures(rows.filter(\.run.isCore).compactMap(\.auto)) }
    package var stated: Figures { Figures(rows.filter(\.run.isCore).compactMap(\.stated)) }

    /// Predicts all whole runs among `runs`; the others tell what teams reached.
    package init(_ runs: [PublishedRun], options: CostOptions = CostOptions()) {
        let practice = PublishedPractice(runs, options: options)
        rows = runs.compactMap { run in
            guard let whole = run.whole, let plan = run.open else { return nil }
            let medians = practice.medians(leavingOut: run.organisation)
            var row = Row(run: run, whole: whole)
            row.auto = fastestLayout(of: plan.counting(whole.kind), options: options).flatMap {
                Self.prediction($0, of: whole, by: medians)
            }
            if let plan = run.plan, let layout = plan.layout {
                let estimate = try? price(plan: plan.counting(whole.kind), layout: layout, options: options)
                row.stated = estimate.flatMap { Self.prediction($0, of: whole, by: medians) }
            }
            return row
        }
        self.practice = practice
    }

    /// The prediction of an estimate with the medians of others in place of the constants.
    private static func prediction(
        _ estimate: Estimate, of whole: PublishedWhole, by medians: PublishedPractice.Medians
    ) -> Prediction? {
        guard let run = estimate.run, run.ends else { return nil }
        var plan = estimate.plan
        if plan.run.practice != nil {
            plan.run.practice = medians.practice(
                on: plan.framework(for: estimate.layout), isNamed: plan.frameworks.named != nil)
        }
        plan.run.idle = plan.run.idle ?? medians.idle
        let scale = plan.runOverSteps / estimate.plan.runOverSteps
        let hours = scale * run.gpuHours
        return Prediction(
            gpuHours: hours, low: hours * run.lowDays / run.days, high: hours * run.highDays / run.days,
            ratio: whole.gpuHours / hours)
    }
}

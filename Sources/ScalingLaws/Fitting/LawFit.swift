internal import Foundation
internal import Numbers

/// A law fitted to finished runs, with what the fit says about itself.
package struct LawFit: Sendable {
    package let law: LossLaw
    package let points: [LossPoint]
    package let settings: FitSettings
    package let resampling: FitSettings.Resampling
    /// ln of the measured loss less ln of the fitted one, for every point: about the relative error.
    package let residuals: [Double]
    /// Sum of Huber's losses of the residuals.
    package let objective: Double
    /// Laws fitted to the bootstraps' samples.
    package let laws: [LossLaw]

    /// Fits a law: Huber's loss of the log losses made as small as it can be, from many starts, and again for every
    /// bootstrap.
    ///
    /// Hoffmann et al. (2022, appendix D.3) start from a grid over all five constants. Here the grid is over the two
    /// exponents; of these the best E, A and B follow from a linear system.
    /// - Throws: why the points say too little, with the number that is needed.
    /// - Complexity: O(bootstraps · points · steps).
    package init(_ points: [LossPoint], settings: FitSettings = FitSettings()) throws(FitRefusal) {
        try PointSpread.check(points, settings: settings)
        let objective = LogLossObjective(points, settings: settings)
        guard let best = Self.best(objective, settings) else { throw .noFit }
        let law = objective.law(best.constants)
        guard
            [law.floor, law.parameterFactor, law.tokenFactor, law.parameterExponent, law.tokenExponent]
                .allSatisfy(\.isFinite)
        else { throw .noFit }
        guard law.parameterExponent > FitRefusal.leastExponent else { throw .doesNotFall(with: "parameters") }
        guard law.tokenExponent > FitRefusal.leastExponent else { throw .doesNotFall(with: "tokens") }
        self.law = law
        self.points = points
        self.settings = settings
        self.objective = best.value
        let residuals = objective.residuals(best.constants).map { -$0 }
        self.residuals = residuals
        let resampling = settings.resampling(of: points.count)
        self.resampling = resampling
        laws = parallelMap(max(0, settings.resamples), threads: settings.threads) { sample in
            // Each sample has a sequence of its own, so that sample k is the same however many there are.
            let own = SplitMix64.first(seed: UInt64(bitPattern: Int64(settings.seed))) &+ UInt64(sample)
            var random = SplitMix64(seed: SplitMix64.first(seed: own))
            let drawn: LogLossObjective
            switch resampling {
            case .points:
                var counts = [Int](repeating: 0, count: points.count)
                for _ in points.indices { counts[Int.random(in: points.indices, using: &random)] += 1 }
                drawn = objective.weighted(counts)
            case .residuals:
                // Residuals of a fit are smaller than the errors: n − constants of n are free.
                let free = Double(points.count) / Double(max(1, points.count - settings.constants))
                drawn = objective.with(
                    logLosses: points.indices.map { index in
                        let residual = residuals[Int.random(in: residuals.indices, using: &random)]
                        return log(points[index].loss) - residuals[index] + free.squareRoot() * residual
                    })
            }
            return objective.law(QuasiNewton.minimum(drawn, from: best.constants).constants)
        }
    }

    /// Exponents to start from.
    private static let exponents = [0.05, 0.1, 0.2, 0.3, 0.4, 0.55, 0.75, 1, 1.4, 2]
    /// Starts that are followed to the end.
    private static let followed = 12

    private static func best(_ objective: LogLossObjective, _ settings: FitSettings) -> QuasiNewton.Minimum? {
        let pairs = exponents.flatMap { alpha in
            (settings.tiesExponents ? [alpha] : exponents).map { (alpha, $0) }
        }
        let starts = parallelMap(pairs.count, threads: settings.threads) { index in
            objective.linear(alpha: pairs[index].0, beta: pairs[index].1)
        }.compactMap(\.self).sorted { $0.squares < $1.squares }.prefix(followed)
        let found = parallelMap(starts.count, threads: settings.threads) { index in
            QuasiNewton.minimum(objective, from: starts[index].constants)
        }
        return found.filter(\.value.isFinite).min { $0.value < $1.value }
    }

    /// The range that holds `confidence` of a figure's bootstraps; the figure alone where there are none.
    package func interval(of figure: (LossLaw) -> Double) -> ClosedRange<Double> {
        let samples = laws.map(figure).filter(\.isFinite)
        guard !samples.isEmpty else {
            let value = figure(law)
            return value.isNaN ? 0...0 : value...value
        }
        return interval(samples)
    }

    private func interval(_ samples: [Double]) -> ClosedRange<Double> {
        let quantiles = Quantiles(samples)
        let tail = (1 - settings.confidence) / 2
        let low = quantiles.at(tail)
        return low...max(low, quantiles.at(1 - tail))
    }

    /// The loss of a run that was not fitted.
    package func prediction(parameters: Double, tokens: Double) -> LossPrediction {
        // A bootstrap of few points may find no law, and leave constants that are no finite numbers.
        let predicted = laws.map { $0.loss(parameters: parameters, tokens: tokens) }.filter(\.isFinite)
        let free = Double(points.count) / Double(max(1, points.count - settings.constants))
        var random = SplitMix64(seed: SplitMix64.first(seed: UInt64(bitPattern: Int64(settings.seed))))
        let run = predicted.map { loss in
            // A bootstrap's law, and beside it what a run strays from any law.
            loss * exp(free.squareRoot() * residuals[Int.random(in: residuals.indices, using: &random)])
        }
        let loss = law.loss(parameters: parameters, tokens: tokens)
        return LossPrediction(
            parameters: parameters, tokens: tokens, loss: loss,
            lawInterval: predicted.isEmpty ? loss...loss : interval(predicted),
            interval: run.isEmpty ? loss...loss : interval(run))
    }

    /// Root of the mean square of the residuals: about the relative error of a fitted loss.
    package var spread: Double {
        (residuals.reduce(0) { $0 + $1 * $1 } / Double(max(1, residuals.count))).squareRoot()
    }

    /// Sizes, tokens and FLOPs of the points.
    package var range: FittedRange {
        FittedRange(
            parameters: Self.range(points.map(\.parameters)), tokens: Self.range(points.map(\.tokens)),
            flops: Self.range(points.map(\.flops)))
    }

    private static func range(_ values: [Double]) -> ClosedRange<Double>? {
        guard let least = values.min(), let most = values.max() else { return nil }
        return least...most
    }
}

/// The loss that a fit expects of a run.
package struct LossPrediction: Hashable, Sendable {
    package var parameters: Double
    package var tokens: Double
    /// Nats a token.
    package var loss: Double
    /// Where the law lies: the spread of the bootstraps.
    package var lawInterval: ClosedRange<Double>
    /// Where one run lies: the law's interval and, beside it, what runs stray from the law.
    package var interval: ClosedRange<Double>
}

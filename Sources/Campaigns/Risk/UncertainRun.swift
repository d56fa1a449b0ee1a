package import Costs
internal import Foundation
package import Numbers
internal import Plans

/// One way a run may go.
package struct RunSample: Hashable, Sendable {
    /// Infinite where failures come faster than training goes on.
    package var days: Double
    package var gpuHours: Double
    package var failures: Double
    /// In the run's currency; nil without a price.
    package var cost: Double?
    /// Energy of the site; nil if no power is known.
    package var wallEnergyMWh: Double?
}

/// What is not known about a run before it ends.
package enum RiskSource: String, Hashable, Codable, Sendable, CaseIterable {
    /// The error of the predicted step: the band of the estimate.
    case prediction
    /// How often failures come in the mean.
    case failureRate
    /// When they come.
    case failures
    /// How long a restart takes.
    case restarts
    /// The price of a device-hour.
    case price

    package var words: String {
        switch self {
        case .prediction: "the predicted step"
        case .failureRate: "how often failures come"
        case .failures: "when failures come"
        case .restarts: "restarts"
        case .price: "the price"
        }
    }
}

/// A run whose days, money and energy are drawn at random: the error of its prediction, its failures and restarts, and its
/// price each from a distribution of its own. Checkpoints are as far apart as the stated failures make it best.
package struct UncertainRun: Hashable, Sendable {
    /// Seconds of the run without failures and checkpoints, as predicted.
    private let training: Double
    /// The step over its prediction.
    private let spread: SkewedSpread
    private let interruptions: Interruptions?
    private let price: Price?
    private let devices: Double
    private let costs: RunCostParts?
    private let days: Double
    private let wallEnergyMWh: Double?

    /// Standard deviation of the logarithm of a failure rate around the stated one: the published rates of a device-hour
    /// (`FailureRates.published`) scatter so.
    package static let rateSpread = FailureRates.logarithmicSpread
    /// Standard deviation of the logarithm of a restart around the stated one. Assumption: one in twenty takes twice as
    /// long; published are means alone.
    package static let restartSpread = log(2) / SkewedSpread.ninetyFifth

    /// nil: the plan states no tokens, or its run never ends.
    package init?(_ estimate: Estimate) {
        guard let run = estimate.run?.ended else { return nil }
        training = run.days * 86_400 * run.goodput
        spread = SkewedSpread(low: run.lowDays / run.days, high: run.highDays / run.days)
        interruptions = run.interruptions
        price = estimate.plan.cluster.price
        devices = run.gpuHours / (run.days * 24)
        (costs, days, wallEnergyMWh) = (run.costs, run.days, run.wallEnergyMWh)
    }

    /// One way the run may go. What is not in `varying` is as predicted: failures come in the mean.
    /// - Parameter error: the error of the prediction as a draw of the normal distribution, where others share it; nil: it
    ///   is drawn.
    package func sample(
        _ random: inout SplitMix64, varying: Set<RiskSource> = Set(RiskSource.allCases), error: Double? = nil
    ) -> RunSample {
        // Every source draws whether it varies or not, so that the same sample stands behind all answers.
        let (drawn, rate, restart, dear) = (random.normal(), random.normal(), random.normal(), random.normal())
        let step = error ?? drawn
        var own = SplitMix64(seed: random.next())
        var seconds = training * (varying.contains(.prediction) ? spread.factor(step) : 1)
        var met = 0.0
        if var interruptions {
            if varying.contains(.failureRate) { interruptions.between *= exp(rate * Self.rateSpread) }
            if varying.contains(.restarts) {
                interruptions.restart *= exp(restart * Self.restartSpread)
                interruptions.wait *= exp(restart * Self.restartSpread)
            }
            (seconds, met) =
                varying.contains(.failures)
                ? interruptions.wallClock(of: seconds, random: &own) : interruptions.meanWallClock(of: seconds)
        }
        let days = seconds / 86_400
        let longer = days / self.days
        var sample = RunSample(
            days: days, gpuHours: devices * days * 24, failures: met, wallEnergyMWh: wallEnergyMWh.map { $0 * longer })
        if let costs {
            var parts = costs.scaled(by: longer)
            if varying.contains(.price), let price { parts.devices *= price.dearness(dear) }
            sample.cost = parts.total
        }
        return sample
    }
}

extension Price {
    /// A price over the stated one, at this draw of the normal distribution: the ends of the stated range are the 5th and
    /// the 95th percentile. 1 without a range.
    func dearness(_ normal: Double) -> Double {
        guard let range, let rent, rent > 0 else { return 1 }
        return SkewedSpread(low: range.lowerBound / rent, high: range.upperBound / rent).factor(normal)
    }
}

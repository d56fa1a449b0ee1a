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
package struct UncertainRun: Sendable {
    /// Seconds of the run without failures and checkpoints, as predicted.
    private let training: Double
    /// Logarithms of the 5th and the 95th percentile of the step over its prediction, in units of the normal distribution.
    private let below, above: Double
    private let interruptions: Interruptions?
    /// Logarithm of the price at the 5th and the 95th percentile over the stated one, in the same units.
    private let cheaper, dearer: Double
    private let devices: Double
    private let costs: RunCostParts?
    private let days: Double
    private let wallEnergyMWh: Double?

    /// The 95th percentile of the normal distribution.
    static let ninetyFifth = 1.6448536269514722

    /// Standard deviation of the logarithm of a failure rate around the stated one: the published rates of a device-hour
    /// (`FailureRates.published`) scatter so.
    package static let rateSpread = FailureRates.logarithmicSpread
    /// Standard deviation of the logarithm of a restart around the stated one. Assumption: one in twenty takes twice as
    /// long; published are means alone.
    package static let restartSpread = log(2) / ninetyFifth

    /// nil: the plan states no tokens, or its run never ends.
    package init?(_ estimate: Estimate) {
        guard let run = estimate.run?.ended else { return nil }
        training = run.days * 86_400 * run.goodput
        below = log(run.lowDays / run.days) / -Self.ninetyFifth
        above = log(run.highDays / run.days) / Self.ninetyFifth
        interruptions = run.interruptions
        let price = estimate.plan.cluster.price
        let range = price.flatMap { price in
            price.range.map { ($0.lowerBound / price.perHour, $0.upperBound / price.perHour) }
        }
        cheaper = log(range?.0 ?? 1) / -Self.ninetyFifth
        dearer = log(range?.1 ?? 1) / Self.ninetyFifth
        devices = run.gpuHours / (run.days * 24)
        (costs, days, wallEnergyMWh) = (run.costs, run.days, run.wallEnergyMWh)
    }

    /// A lognormal factor of median 1 with unlike halves.
    private static func factor(_ normal: Double, below: Double, above: Double) -> Double {
        exp(normal * (normal < 0 ? below : above))
    }

    /// One way the run may go. What is not in `varying` is as predicted: failures come in the mean.
    package func sample(_ random: inout SplitMix64, varying: Set<RiskSource> = Set(RiskSource.allCases)) -> RunSample {
        // Every source draws whether it varies or not, so that the same sample stands behind all answers.
        let (step, rate, restart, price) = (random.normal(), random.normal(), random.normal(), random.normal())
        var own = SplitMix64(seed: random.next())
        let stretch = varying.contains(.prediction) ? Self.factor(step, below: below, above: above) : 1
        var seconds = training * stretch
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
            let dearness = varying.contains(.price) ? Self.factor(price, below: cheaper, above: dearer) : 1
            sample.cost =
                costs.devices * longer * dearness + (costs.storage + costs.staff + costs.electricity) * longer
                + costs.egress
        }
        return sample
    }
}

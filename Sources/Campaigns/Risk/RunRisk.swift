package import Costs
package import Numbers

/// What may become of a run: the distribution of its days and its money over many samples.
package struct RunRisk: Sendable {
    /// Share of the spread of a figure that one source makes: the variance where it alone varies, over the sum of these.
    package struct Share: Hashable, Sendable {
        package var source: RiskSource
        package var days: Double
        /// nil without a price.
        package var cost: Double?
    }

    package var samples: Int
    package var seed: Int
    package var days: Quantiles
    /// In the run's currency; nil without a price.
    package var cost: Quantiles?
    package var failures: Quantiles
    package var wallEnergyMWh: Quantiles?
    /// The sources of the spread, the largest share of the days first; empty where nothing spreads.
    package var shares: [Share]

    /// Samples that a source alone is judged by.
    private static let judged = 2_000

    /// - Parameters:
    ///   - samples: number of ways the run may go; 1 to 1,000,000.
    ///   - seed: the same seed gives the same digits.
    /// nil: the plan states no tokens, or its run never ends.
    package init?(_ estimate: Estimate, samples: Int, seed: Int) {
        guard let run = UncertainRun(estimate) else { return nil }
        (self.samples, self.seed) = (samples, seed)
        let drawn = Self.draw(run, samples, seed, Set(RiskSource.allCases))
        days = Quantiles(drawn.map(\.days))
        cost = drawn.first?.cost == nil ? nil : Quantiles(drawn.compactMap(\.cost))
        failures = Quantiles(drawn.map(\.failures))
        wallEnergyMWh = drawn.first?.wallEnergyMWh == nil ? nil : Quantiles(drawn.compactMap(\.wallEnergyMWh))
        let alone = RiskSource.allCases.map { source in
            let drawn = Self.draw(run, min(samples, Self.judged), seed, [source])
            return (source, Self.variance(drawn.map(\.days)), Self.variance(drawn.compactMap(\.cost)))
        }
        let (allDays, allCost) = (alone.reduce(0) { $0 + $1.1 }, alone.reduce(0) { $0 + $1.2 })
        let isPriced = cost != nil
        shares =
            allDays + allCost > 0
            ? alone.map { source, days, cost in
                Share(
                    source: source, days: allDays > 0 ? days / allDays : 0,
                    cost: isPriced ? (allCost > 0 ? cost / allCost : 0) : nil)
            }.sorted { ($0.days, $0.cost ?? 0) > ($1.days, $1.cost ?? 0) } : []
    }

    private static func draw(_ run: UncertainRun, _ samples: Int, _ seed: Int, _ varying: Set<RiskSource>)
        -> [RunSample]
    {
        (0..<samples).map { index in
            // Each sample has a sequence of its own, so that sample k is the same however many there are.
            let own = SplitMix64.first(seed: UInt64(bitPattern: Int64(seed))) &+ UInt64(index)
            var random = SplitMix64(seed: SplitMix64.first(seed: own))
            return run.sample(&random, varying: varying)
        }
    }

    /// Variance of the values that are finite.
    private static func variance(_ values: [Double]) -> Double {
        let finite = values.filter(\.isFinite)
        guard finite.count > 1 else { return 0 }
        let mean = finite.reduce(0, +) / Double(finite.count)
        let sum = finite.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        // Sums of equal numbers differ from their mean in the last digits.
        return sum > 1e-18 * mean * mean * Double(finite.count) ? sum / Double(finite.count - 1) : 0
    }

    /// Probability that the run takes at most so many days.
    package func probability(days most: Double) -> Double { days.share(atMost: most) }

    /// Probability that the run costs at most so much; nil without a price.
    package func probability(cost most: Double) -> Double? { cost?.share(atMost: most) }
}

package import Plans

/// 90 % band of a step around its prediction, calibrated on published runs of the same generation of software.
///
/// Each run was predicted with constants fitted on the other sources. `validate --leave-one-source-out` prints the
/// bands, and the framework files state them.
package struct ErrorBand: Hashable, Sendable {
    /// Fraction of the prediction by which 95 % of steps were at most shorter.
    package var low: Double
    /// Fraction of the prediction by which 95 % of steps were at most longer.
    package var high: Double
    /// Fraction of runs inside the band.
    package static let confidence = 0.9

    package init(framework: Framework) {
        low = framework.bandLow
        high = framework.bandHigh
    }

    /// A band that is `factor` times as wide on both sides, with the lower side limited to 99 %.
    package func widened(by factor: Double) -> ErrorBand {
        var band = self
        band.low = min(low * factor, 0.99)
        band.high *= factor
        return band
    }

    /// Whether a step of `ratio` times its prediction is inside the band.
    package func holds(_ ratio: Double) -> Bool { ratio >= 1 - low && ratio <= 1 + high }

    /// The band with 5 % of the runs below it and 5 % above it.
    /// - Parameter shares: ratio of measured to predicted seconds of each run, and its weight.
    package init(measuredOverPredicted shares: [(value: Double, weight: Double)]) {
        let sorted = shares.sorted { $0.value < $1.value }
        let total = sorted.reduce(0) { $0 + $1.weight }
        func quantile(_ share: Double) -> Double {
            var sum = 0.0
            for row in sorted {
                sum += row.weight
                if sum >= share * total { return row.value }
            }
            return sorted.last?.value ?? 1
        }
        let outside = (1 - Self.confidence) / 2
        low = max(0, 1 - quantile(outside))
        high = max(0, quantile(1 - outside) - 1)
    }
}

package import Plans

/// How far a step may be from its prediction: what nine in ten of the comparable published runs were.
///
/// Runs are comparable when they ran on the same generation of software; each was predicted with constants fitted
/// without its source (`validate --leave-one-source-out` prints these shares, the framework files hold them).
package struct ErrorBand: Hashable, Sendable {
    /// Share of the prediction a step may be shorter and longer by.
    package var low: Double
    package var high: Double
    package static let confidence = 0.9

    package init(framework: Framework) {
        low = framework.bandLow
        high = framework.bandHigh
    }

    /// A band `factor` times as wide on both sides; below the prediction at most 99 %.
    package func widened(by factor: Double) -> ErrorBand {
        var band = self
        band.low = min(low * factor, 0.99)
        band.high *= factor
        return band
    }

    /// Whether a step of `ratio` times its prediction is inside.
    package func holds(_ ratio: Double) -> Bool { ratio >= 1 - low && ratio <= 1 + high }

    /// The band that `shares` of measured over predicted seconds, each row's weight beside it, leave 5 % below and above.
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

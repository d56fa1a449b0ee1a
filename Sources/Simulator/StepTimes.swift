internal import Numbers

/// Times of one step over many runs with random delays.
package struct StepTimes: Hashable, Codable, Sendable {
    /// The time of every run, shortest first.
    package let sorted: [Double]

    /// - Parameter times: at least one.
    init(_ times: [Double]) { sorted = times.sorted() }

    package var minimum: Double { sorted[0] }
    package var median: Double { quantile(0.5) }
    package var maximum: Double { sorted[sorted.count - 1] }
    package var mean: Double { sorted.reduce(0, +) / Double(sorted.count) }

    /// The time that a fraction of the runs do not exceed, interpolated between two runs (R's type 7).
    /// - Parameter share: the fraction, from 0 to 1.
    package func quantile(_ share: Double) -> Double {
        Quantiles(ascending: sorted).at(share)
    }
}

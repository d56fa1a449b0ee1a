/// Values of a figure in ascending order, one for each sample.
package struct Quantiles: Hashable, Sendable {
    package let sorted: [Double]

    package init(_ samples: [Double]) { sorted = samples.sorted() }

    /// The value that a share of the samples does not exceed, between neighbours by a straight line (type 7 of Hyndman and
    /// Fan 1996, the default of NumPy and R). NaN without samples.
    package func at(_ share: Double) -> Double {
        guard let last = sorted.last else { return .nan }
        let place = min(max(share, 0), 1) * Double(sorted.count - 1)
        let lower = Int(place)
        guard lower + 1 < sorted.count else { return last }
        let part = place - Double(lower)
        // Endless values have no way between them.
        guard part > 0, sorted[lower] != sorted[lower + 1] else { return sorted[lower] }
        return sorted[lower] + part * (sorted[lower + 1] - sorted[lower])
    }

    /// Share of the samples that are at most `value`.
    package func share(atMost value: Double) -> Double {
        guard !sorted.isEmpty else { return .nan }
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] <= value { low = middle + 1 } else { high = middle }
        }
        return Double(low) / Double(sorted.count)
    }

    package var mean: Double { sorted.isEmpty ? .nan : sorted.reduce(0, +) / Double(sorted.count) }
}

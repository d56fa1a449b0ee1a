/// Times of one step over many runs with random delays.
package struct StepTimes: Hashable, Codable, Sendable {
    /// One entry a run, shortest first.
    package let sorted: [Double]

    /// - Parameter times: At least one.
    init(_ times: [Double]) { sorted = times.sorted() }

    package var minimum: Double { sorted[0] }
    package var median: Double { quantile(0.5) }
    package var maximum: Double { sorted[sorted.count - 1] }
    package var mean: Double { sorted.reduce(0, +) / Double(sorted.count) }

    /// Between the two runs on either side, in proportion (R's type 7).
    /// - Parameter share: From 0 to 1.
    package func quantile(_ share: Double) -> Double {
        let place = min(max(share, 0), 1) * Double(sorted.count - 1)
        let below = Int(place)
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
    }
}

/// What keeps a run from going as planned.
package struct Disturbance: Hashable, Sendable {
    /// How much longer a rank's actions take, by rank; 1 where nothing is said.
    package var slowRanks: [Int: Double]
    /// Standard deviation of the time of every single action and message, as a share of it.
    package var jitter: Double
    package var seed: UInt64

    package init(slowRanks: [Int: Double] = [:], jitter: Double = 0, seed: UInt64 = 1) {
        self.slowRanks = slowRanks
        self.jitter = jitter
        self.seed = seed
    }

    /// One factor a rank; nil for none.
    func slowdown(ranks: Int) -> [Double]? {
        slowRanks.isEmpty ? nil : (0..<ranks).map { slowRanks[$0] ?? 1 }
    }

    func validate(ranks: Int) throws(SimulationProblem) {
        for (rank, factor) in slowRanks.sorted(by: { $0.key < $1.key }) {
            if !(0..<ranks).contains(rank) {
                throw .costs("slow rank \(rank): there are only the ranks 0 to \(ranks - 1)")
            }
            if !(factor > 0 && factor.isFinite) {
                throw .costs("slow rank \(rank): its factor is \(factor); it must be finite and above 0")
            }
        }
        if !(jitter >= 0 && jitter <= 10) {
            throw .costs("the jitter is \(jitter); it must be a share of at least 0 and at most 10")
        }
    }
}

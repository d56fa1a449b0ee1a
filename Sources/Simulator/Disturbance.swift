/// Slow ranks and random delays.
package struct Disturbance: Hashable, Sendable {
    /// A factor on the times of a rank's actions, by rank; 1 for ranks that are not in it.
    package var slowRanks: [Int: Double]
    /// Standard deviation of the time of every action and message, as a fraction of it.
    package var jitter: Double
    package var seed: UInt64

    package init(slowRanks: [Int: Double] = [:], jitter: Double = 0, seed: UInt64 = 1) {
        self.slowRanks = slowRanks
        self.jitter = jitter
        self.seed = seed
    }

    /// The factor of every rank; nil where all are 1.
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

/// Notices losses that are far above those of the steps before.
package struct LossSpikes {
    /// Steps that a loss is compared with.
    package static let window = 50
    /// With fewer the mean says little.
    private static let least = 10
    /// Standard deviations above the mean. A hundred thousand steps of independent losses have none so far out.
    private static let deviations = 6.0

    private var losses: [Double] = []

    /// - Parameter losses: those of the steps before, where a run goes on.
    package init(after losses: [Double] = []) {
        self.losses = losses.filter(\.isFinite).suffix(Self.window)
    }

    /// Takes in the loss of the next step.
    /// - Returns: the mean of the steps before, if the loss is a spike.
    package mutating func next(_ loss: Double) -> Double? {
        guard loss.isFinite else { return nil }
        defer {
            losses.append(loss)
            if losses.count > Self.window { losses.removeFirst() }
        }
        guard losses.count >= Self.least else { return nil }
        let mean = losses.reduce(0, +) / Double(losses.count)
        let variance = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(losses.count)
        // A loss that hardly moves has no spike of a hair's breadth.
        return loss - mean > max(Self.deviations * variance.squareRoot(), 0.02 * abs(mean)) ? mean : nil
    }
}

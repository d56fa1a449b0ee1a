internal import Foundation
internal import Numbers
internal import Plans

/// Failures of a run and what each costs: the terms of Daly's model (2006), and the wait for a repaired node.
package struct Interruptions: Hashable, Codable, Sendable {
    /// Mean seconds between failures of the whole system while it trains, M.
    package var between: Double
    /// Seconds for which a checkpoint blocks training, δ.
    package var checkpoint: Double
    /// Seconds of training between checkpoints, τ.
    package var interval: Double
    /// Seconds from a failure until training continues on a node that stands in, R.
    package var restart: Double
    /// Mean seconds that training waits besides for a node that is being repaired.
    package var wait: Double

    /// - Parameters:
    ///   - between: mean seconds between failures of the whole system.
    ///   - checkpoint: seconds for which a checkpoint blocks training. The interval between checkpoints is the one that
    ///     loses the least time.
    package init(between: Double, checkpoint: Double, restart: Double, wait: Double = 0) {
        self.between = between
        self.checkpoint = checkpoint
        self.restart = restart
        self.wait = wait
        interval = CheckpointInterval.seconds(checkpoint: checkpoint, meanTimeBetweenFailures: between)
    }

    /// Fraction of wall-clock time that is training, before any wait: equation 20, T_w = M e^{R/M} (e^{(τ+δ)/M} − 1) T_s/τ.
    private var shareWithoutWait: Double {
        interval / (between * exp(restart / between) * (exp((interval + checkpoint) / between) - 1))
    }

    /// Fraction of wall-clock time that is training. Nothing fails while training waits for a repair.
    package var goodput: Double { shareWithoutWait / (1 + wait / between) }

    /// Failures that a run of `seconds` of wall-clock time meets in the mean.
    package func failures(in seconds: Double) -> Double { seconds / (between + wait) }
}

extension Plan {
    /// Upper bound of the goodput on `devices`, even with the shortest checkpoints: e^(−R/M).
    package func mostGoodput(devices: Int) -> Double {
        guard cluster.groups == nil, let rate = cluster.failuresPerSecond(devices: devices) else { return 1 }
        return exp(-failures.outage * rate)
    }
}

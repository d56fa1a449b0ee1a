/// The time between checkpoints that loses the least to checkpoints and failures together (Daly 2006).
package enum CheckpointInterval {
    /// Seconds of training between checkpoints.
    /// - Parameters:
    ///   - checkpoint: seconds for which a checkpoint blocks training, δ.
    ///   - between: mean seconds between failures of the whole system, M.
    package static func seconds(checkpoint: Double, meanTimeBetweenFailures between: Double) -> Double {
        let ratio = checkpoint / (2 * between)
        // Equation 37. Beyond δ = 2M, checkpoints are M apart.
        return ratio < 1
            ? (2 * checkpoint * between).squareRoot() * (1 + ratio.squareRoot() / 3 + ratio / 9) - checkpoint : between
    }
}

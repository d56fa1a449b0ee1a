internal import Costs
internal import Foundation
internal import Numbers

extension Interruptions {
    /// Seconds of wall-clock time that `training` seconds take with failures and checkpoints, and the failures met.
    ///
    /// Daly's model (2006, equation 20) with times drawn rather than their mean: training of τ seconds and a checkpoint of δ
    /// succeed together or are done again, and so do restarts of R.
    func wallClock(of training: Double, random: inout SplitMix64) -> (seconds: Double, failures: Double) {
        let (attempt, segments) = (interval + checkpoint, training / interval)
        // Odds of a failure in an attempt, and in a restart, against none.
        let (odds, again) = (expm1(attempt / between), expm1(restart / between))
        guard segments.isFinite, (segments * odds * (1 + again)).isFinite, segments * odds * (1 + again) < 1e12 else {
            return (.infinity, .infinity)
        }
        let failed = random.failures(before: segments, odds: odds)
        let repeated = random.failures(before: failed, odds: again)
        let lost = random.truncatedTimes(failed, mean: between, end: attempt)
        let broken = random.truncatedTimes(repeated, mean: between, end: restart)
        let met = failed + repeated
        return (segments * attempt + lost + failed * restart + broken + met * wait, met)
    }

    /// The means of `wallClock(of:random:)`: the closed form.
    func meanWallClock(of training: Double) -> (seconds: Double, failures: Double) {
        let seconds = training / goodput
        return seconds.isFinite ? (seconds, failures(in: seconds)) : (.infinity, .infinity)
    }
}

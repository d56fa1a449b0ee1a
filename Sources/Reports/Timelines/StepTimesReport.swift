internal import Foundation
internal import Numbers

/// Statistics of a step's time over many runs with disturbances.
package struct StepTimesReport: Encodable, Sendable {
    let runs: Int
    let jitter: Double
    let seed: UInt64
    /// Time of a step without disturbances.
    let undisturbed: Double
    let minimum: Double
    let median: Double
    let p90: Double
    let maximum: Double
    let mean: Double

    package init(
        runs: Int, jitter: Double, seed: UInt64, undisturbed: Double, minimum: Double, median: Double, p90: Double,
        maximum: Double, mean: Double
    ) {
        self.runs = runs
        self.jitter = jitter
        self.seed = seed
        self.undisturbed = undisturbed
        self.minimum = minimum
        self.median = median
        self.p90 = p90
        self.maximum = maximum
        self.mean = mean
    }

    /// The statistics in one line.
    package func text(unit: TimelineUnit) -> String {
        func time(_ value: Double) -> String {
            unit == .seconds ? Figures.seconds(value) : Figures.general(value, 4)
        }
        let share = undisturbed > 0 ? Figures.fixed(median / undisturbed, 3) : Figures.none
        return
            "step over \(Figures.count(runs, "run")): min \(time(minimum)) · median \(time(median)) · p90 \(time(p90)) · "
            + "max \(time(maximum)) · median \(share) × the undisturbed \(time(undisturbed))"
    }
}

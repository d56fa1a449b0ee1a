internal import Schedules

/// The end of a step, after the pipeline: each rank sums its gradients with its data-parallel copies, then runs the
/// optimizer.
package struct StepTail: Hashable, Sendable {
    /// Time of each stage's gradient reduction.
    package var reduction: [Double]
    /// Whether a stage's reduction starts at the stage's last weight gradient and runs beside the rank's other compute.
    /// Otherwise a rank reduces after its last action. A rank reduces one stage at a time.
    package var overlapsReduction: Bool
    /// Time of each rank's optimizer, which runs after its reductions.
    package var optimizer: [Double]

    package init(reduction: [Double], overlapsReduction: Bool = false, optimizer: [Double]) {
        self.reduction = reduction
        self.overlapsReduction = overlapsReduction
        self.optimizer = optimizer
    }

    /// The spans of one rank's tail.
    /// - Parameters:
    ///   - ends: end of the last weight gradient of each of the rank's stages.
    ///   - free: end of the rank's last action.
    ///   - slowdown: a factor on the time of the optimizer.
    func spans(rank: Int, ends: [(stage: Int, end: Double)], free: Double, slowdown: Double) -> [Timeline.Span] {
        var spans: [Timeline.Span] = []
        var network = 0.0
        for (stage, end) in ends.sorted(by: { ($0.end, $0.stage) < ($1.end, $1.stage) }) where reduction[stage] > 0 {
            let start = max(network, overlapsReduction ? end : free)
            network = start + reduction[stage]
            spans.append(Timeline.Span(.collective, start: start, end: network))
        }
        let start = max(network, free)
        if optimizer[rank] > 0 {
            spans.append(Timeline.Span(.optimizer, start: start, end: start + optimizer[rank] * slowdown))
        }
        return spans
    }

    func validate(stages: Int, ranks: Int) throws(SimulationProblem) {
        for (name, times, count, unit) in [
            ("reduction", reduction, stages, "stages"), ("optimizer", optimizer, ranks, "ranks"),
        ] {
            if times.count != count {
                throw .costs("\(name) costs are given for \(times.count) \(unit), the schedule has \(count)")
            }
            for time in times where !(time >= 0 && time.isFinite) {
                throw .costs("a \(name) cost is \(time); it must be a finite time of at least 0")
            }
        }
    }
}

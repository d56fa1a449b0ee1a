internal import Schedules

/// What a step does after the pipeline, rank by rank: the gradients are summed with those of the data-parallel copies,
/// then the optimizer runs.
package struct StepTail: Hashable, Sendable {
    /// Reduction of each stage's gradients.
    package var reduction: [Double]
    /// Whether a stage's reduction runs beside the compute that is left, from the stage's last weight gradient on;
    /// a rank reduces one stage at a time. Otherwise a rank reduces after its last action.
    package var overlapsReduction: Bool
    /// Optimizer of each rank, after its reductions.
    package var optimizer: [Double]

    package init(reduction: [Double], overlapsReduction: Bool = false, optimizer: [Double]) {
        self.reduction = reduction
        self.overlapsReduction = overlapsReduction
        self.optimizer = optimizer
    }

    /// The spans of one rank's tail.
    /// - Parameters:
    ///   - ends: When the rank's last gradient of each of its stages is there.
    ///   - free: When its last action ends.
    func spans(rank: Int, ends: [(stage: Int, end: Double)], free: Double, slowdown: Double) -> [Timeline.Span] {
        var spans: [Timeline.Span] = []
        var network = 0.0
        for (stage, end) in ends.sorted(by: { ($0.end, $0.stage) < ($1.end, $1.stage) }) where reduction[stage] > 0 {
            let begin = max(network, overlapsReduction ? end : free)
            network = begin + reduction[stage]
            spans.append(Timeline.Span(.collective, start: begin, end: network))
        }
        let begin = max(network, free)
        if optimizer[rank] > 0 {
            spans.append(Timeline.Span(.optimizer, start: begin, end: begin + optimizer[rank] * slowdown))
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

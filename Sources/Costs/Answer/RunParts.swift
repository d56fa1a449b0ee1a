package import Plans

extension Estimate.Run {
    /// Days of a run by what they are spent on; they sum to the days of the run.
    package struct Parts: Hashable, Codable, Sendable {
        /// The steps, each as long as it is priced.
        package var steps = 0.0
        /// Days that measured steps take over their predictions, below 0 if these are too slow.
        package var measured = 0.0
        /// Days that teams' layouts and software take over the fastest layout.
        package var practice = 0.0
        package var evaluation = 0.0
        /// Steps that wait for their data.
        package var data = 0.0
        /// Stops and repeated steps that no automatic restart explains.
        package var idle = 0.0
        /// Failures, restarts and checkpoints.
        package var restarts = 0.0

        package init() {}

        /// - Parameters:
        ///   - steps: days of the steps alone.
        ///   - measured: a step as measurements make it expected, over its prediction.
        ///   - goodput: fraction of the time that is not lost to failures and checkpoints.
        package init(steps: Double, measured: Double, goodput: Double, plan: Plan) {
            self.steps = steps
            let taken = steps * measured
            self.measured = taken - steps
            let ran = taken * plan.practice
            practice = ran - taken
            (evaluation, data, idle) = (ran * plan.evaluationShare, ran * plan.dataShare, ran * plan.idleShare)
            restarts = taken * plan.runOverSteps * (1 - goodput) / goodput
        }

        package var total: Double { steps + measured + practice + evaluation + data + idle + restarts }

        /// The parts beside the steps, in words, with their days; those of no time are left out.
        package var added: [(name: String, days: Double)] {
            [
                ("teams' layouts and software", practice), ("evaluation", evaluation),
                ("waiting for data", data),
                ("stops and repeated steps", idle), ("failures and checkpoints", restarts),
            ].filter { $0.1 != 0 }
        }
    }
}

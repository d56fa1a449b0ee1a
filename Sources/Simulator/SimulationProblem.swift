package import Schedules

/// A reason for which a schedule cannot be timed.
package enum SimulationProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The lists cannot be run.
    case schedule(ScheduleViolation)
    /// A cost has the wrong number of stages, or is negative, infinite or not a number.
    case costs(String)

    package var description: String {
        switch self {
        case .schedule(let violation): violation.description
        case .costs(let reason): reason
        }
    }
}

extension ActionCosts {
    /// Checks that every list has one finite, non-negative time a stage.
    /// - Parameter vocabulary: whether the schedule divides the vocabulary.
    func validate(stages: Int, vocabulary isDivided: Bool = false) throws(SimulationProblem) {
        if isDivided {
            guard let vocabulary else { throw .costs("the schedule has S and T, for which no times are given") }
            for (name, time) in [
                ("S", vocabulary.softmax), ("T", vocabulary.gradient), ("broadcast", vocabulary.broadcast),
                ("first barrier", vocabulary.firstBarrier), ("second barrier", vocabulary.secondBarrier),
            ] where !(time >= 0 && time.isFinite) {
                throw .costs("the \(name) cost is \(time); it must be a finite time of at least 0")
            }
        }
        for (name, times) in [
            ("forward", forward), ("backward-input", backwardInput), ("backward-weight", backwardWeight),
            ("backward", backward),
        ] {
            if times.count != stages {
                throw .costs("\(name) costs are given for \(times.count) stages, the schedule has \(stages)")
            }
            for (stage, time) in times.enumerated() where !(time >= 0 && time.isFinite) {
                throw .costs("the \(name) cost of stage \(stage) is \(time); it must be a finite time of at least 0")
            }
        }
        if let transfers {
            if transfers.count != max(0, stages - 1) {
                throw .costs("transfer costs are given for \(transfers.count) messages, the schedule has \(stages - 1)")
            }
            for (stage, time) in transfers.enumerated() where !(time >= 0 && time.isFinite) {
                throw .costs(
                    "the transfer cost after stage \(stage) is \(time); it must be a finite time of at least 0")
            }
        }
        if !(transfer >= 0 && transfer.isFinite) {
            throw .costs("the transfer cost is \(transfer); it must be a finite time of at least 0")
        }
        if !(fusedShare >= 0 && fusedShare.isFinite) {
            throw .costs("the fused share is \(fusedShare); it must be a finite number of at least 0")
        }
    }
}

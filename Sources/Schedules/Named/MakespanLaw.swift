/// A schedule with a closed form of its time that is about right. A schedule without any is timed by running its lists.
package protocol MakespanEstimate: SendableMetatype {
    /// Time from the first forward to the last backward of an iteration with equal stages.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double
}

/// A schedule with a closed form of its time that the simulator confirms.
package protocol MakespanLaw: MakespanEstimate {
    /// Whether `makespan` is the time the simulator finds for the schedule's lists. Transfers count as small (a few
    /// hundredths of a forward).
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool
}

/// Where the time of a schedule comes from.
package enum MakespanSource: Hashable, Sendable {
    /// A closed form that the simulator confirms (`MakespanLaw`).
    case law
    /// A closed form that is about right (`MakespanEstimate`).
    case estimate
    /// The lists themselves, run with the given times: as good as a law, and as slow as the lists are long.
    case lists
}

extension PipelineSchedule {
    /// The schedule's closed form; nil where it has none.
    static var closedForm: (any MakespanEstimate.Type)? { self as? any MakespanEstimate.Type }

    /// Where `iterationTime` comes from.
    package static var makespanSource: MakespanSource {
        self is any MakespanLaw.Type ? .law : closedForm == nil ? .lists : .estimate
    }

    /// Time of an iteration with equal stages, by the closed form or by running the lists.
    package static func iterationTime(_ shape: PipelineShape, times: UniformTimes) -> Double {
        closedForm?.makespan(shape, times: times) ?? listedMakespan(shape, times: times)
    }

    /// Whether that time is the one the simulator finds, rather than an estimate of it.
    package static func makespanIsExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        if let law = self as? any MakespanLaw.Type { return law.isExact(shape, times: times) }
        return closedForm == nil && timedShape(shape) == shape
    }
}

/// GPipe (Huang et al. 2019): all forwards, then all backwards.
///
/// Bubble (p−1)(T_F+T_B); every rank holds all m activations at the turn.
enum GPipe: PipelineSchedule {
    /// The order in which a rank runs its backwards. The lists differ, the makespan and the peak do not.
    enum BackwardOrder {
        /// As the forwards came: PyTorch.
        case firstFirst
        /// The latest forward first: torchgpipe.
        case lastFirst
    }

    static func problem(_ shape: PipelineShape) -> String? { oneStageARankProblem(shape, schedule: .gpipe) }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        actions(rank: rank, shape, backwards: .firstFirst)
    }

    static func actions(rank: Int, _ shape: PipelineShape, backwards: BackwardOrder) -> [Action] {
        let m = shape.microbatches
        var list: [Action] = []
        list.reserveCapacity(2 * m)
        for i in 0..<m { list.append(Action(.forward, stage: rank, microbatch: i)) }
        for i in 0..<m {
            list.append(Action(.backward, stage: rank, microbatch: backwards == .firstFirst ? i : m - 1 - i))
        }
        return list
    }

    /// m on every rank.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { shape.microbatches }

    static func peakHeadMicrobatches(_ shape: PipelineShape) -> Int { shape.microbatches }

    /// (m+p−1)(T_F+T_B) + 2(p−1)c, exact for every m ≥ 1 (Narayanan et al. 2021, 2.2.1; the transfer term by
    /// counting hops on the critical path).
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        return (m + p - 1) * (times.forward + times.backward) + 2 * (p - 1) * times.transfer
    }

    /// The rule shared by the schedules that know no virtual stages.
    static func oneStageARankProblem(_ shape: PipelineShape, schedule: ScheduleName) -> String? {
        if shape.virtualStages != 1 {
            return "\(schedule.rawValue) runs one stage a rank, not \(shape.virtualStages) virtual stages; "
                + "interleaved-1f1b runs several"
        }
        if shape.groupSize != nil { return "\(schedule.rawValue) has no micro-batch groups; leave the group size out" }
        return nil
    }
}

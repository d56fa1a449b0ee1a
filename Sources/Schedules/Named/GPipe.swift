/// GPipe (Huang et al. 2019): all forwards, then all backwards.
///
/// The bubble is (p−1)(T_F+T_B). At the turn every rank holds all m activations.
enum GPipe: PipelineSchedule, MakespanLaw {
    static let name = "gpipe"
    /// Names in PyTorch and in PaddlePaddle.
    static let aliases = ["GPipe", "FThenB"]
    static let placement = StagePlacement.Kind.single
    static let splitsBackward = false
    static let forwardsFirst = true
    static let hasFullBubble = true
    static let fillsFirst = true
    static var interleavedForm: ScheduleName? { .interleaved }

    /// The backwards come in the order of the forwards, as in PyTorch.
    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let m = shape.microbatches
        var list: [Action] = []
        list.reserveCapacity(2 * m)
        for i in 0..<m { list.append(Action(.forward, stage: rank, microbatch: i)) }
        for i in 0..<m { list.append(Action(.backward, stage: rank, microbatch: i)) }
        return list
    }

    /// m activations on every rank.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int { shape.microbatches }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { HeadBacklog(pending: shape.microbatches) }

    /// (m+p−1)(T_F+T_B) + 2(p−1)c, exact for every m ≥ 1 (Narayanan et al. 2021, 2.2.1; the transfer term by
    /// counting hops on the critical path).
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let (p, m) = (Double(shape.ranks), Double(shape.microbatches))
        return (m + p - 1) * (times.forward + times.backward) + 2 * (p - 1) * times.transfer
    }

    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool { true }
}

extension ScheduleName {
    package static let gpipe = ScheduleName(of: GPipe.self)
}

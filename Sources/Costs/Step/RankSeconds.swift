internal import Plans

/// Seconds of one step on one pipeline rank, by their use. Of every rank they add up to the step: a rank with less work
/// waits longer.
package struct RankSeconds: Hashable, Sendable {
    /// Passes of all micro-batches.
    package var passes: PassTimes
    /// Waiting for other ranks, without messages.
    package var bubble: Double
    /// Waiting for messages.
    package var messages: Double
    /// Reduction of gradients and gathering of weights outside of passes.
    package var reduction: Double
    package var optimizer: Double
    /// Norm of the gradients, waiting for the slowest node, and the host's work around a step.
    package var outside: Double

    package var sum: Double { passes.total + bubble + messages + reduction + optimizer + outside }
}

extension IterationTime {
    /// The seconds of each pipeline rank in a step whose pipeline takes `pipeline`.
    package static func byRank(_ work: LayoutWork, pipeline: PipelineSeconds) -> [RankSeconds] {
        let update = OptimizerTime(work)
        let reduction = DataParallelTime(work).exposed
        let outside = update.gradientNorm + WaitingTime(work).seconds + work.framework.hostStep
        let kinds = work.shares.kinds.enumerated().map { index, kind in work.on(kind: index).times(of: kind.share) }
        return work.shares.kindOfRank.map { kind in
            let times = kinds[kind]
            let passes = Double(work.m) * (times.forward + times.backward)
            return RankSeconds(
                passes: passes, bubble: pipeline.waiting(pipeline.filled - passes.total),
                messages: pipeline.waiting(pipeline.span - pipeline.filled), reduction: reduction,
                optimizer: update.seconds, outside: outside)
        }
    }
}

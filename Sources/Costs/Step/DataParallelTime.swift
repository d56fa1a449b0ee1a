internal import Plans
internal import Schedules

/// Seconds of reducing gradients and gathering weights in a step that nothing hides.
///
/// With overlap a rank's reduction runs behind its last micro-batch's backward but for the last bucket; gathering
/// sharded weights runs behind its first forward but for the first bucket. Gradients sharded among the ranks (ZeRO-2) are
/// scattered after every micro-batch, by every rank.
package struct DataParallelTime: Sendable {
    /// Seconds to add up the gradients of a tied table.
    let tiedTable: Double
    /// Seconds to add up the gradients of the two copies of every stage in a bidirectional pipeline.
    let copies: Double
    /// Seconds of all ranks' reductions.
    let slowest: SlowestReduction
    private let microbatches: Double

    package init(_ work: LayoutWork) {
        tiedTable = PairedGradients.tiedTableSeconds(work)
        copies = PairedGradients.copiesSeconds(work)
        microbatches = Double(work.m)
        var slowest = SlowestReduction()
        if GradientExchange.followsPasses(work) {
            for kind in work.shares.kinds {
                let times = work.times(of: kind.share)
                slowest.add(
                    Reduction(of: kind.share, work), forward: times.forward.total, backward: times.backward.total,
                    work: times.withoutMessages)
            }
        }
        self.slowest = slowest
    }

    /// Seconds of a step.
    package var exposed: Double { tiedTable + copies + slowest.seconds(microbatches: microbatches) }
}

/// Seconds that a step loses to the reductions of all ranks; the slowest rank counts.
///
/// Every rank is taken to end its last backward with the step. Ranks behind the first end it a little earlier, by the
/// backwards of the ranks before them; that time is not subtracted.
struct SlowestReduction {
    private var most = 0.0
    private var pace = 0.0
    /// Seconds when all micro-batches are done.
    private(set) var once = 0.0

    /// Takes in the reduction of one rank.
    /// - Parameters:
    ///   - forward: seconds of its forward of one micro-batch.
    ///   - backward: seconds of its backward.
    ///   - work: seconds of both without the compute lost to messages.
    @inline(__always)
    mutating func add(_ reduction: Reduction, forward: Double, backward: Double, work: Double) {
        let reduce = reduction.reduceExposed(behind: backward)
        let gather = reduction.gatherExposed(behind: forward)
        if reduction.isRepeated {
            // Between micro-batches a rank with less work has time for more of it.
            most = max(most, work)
            pace = max(pace, work + reduce)
            once = max(once, gather)
        } else {
            once = max(once, reduce + gather)
        }
    }

    /// Seconds that reductions add to every micro-batch.
    var perMicrobatch: Double { pace - most }

    @inline(__always)
    func seconds(microbatches: Double) -> Double { microbatches * perMicrobatch + once }
}

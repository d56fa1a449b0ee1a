internal import Plans
internal import Schedules

/// Exposed seconds of a step's gradient reductions and weight gathering: those that no compute hides.
///
/// With overlap, a rank's reduction runs during its last micro-batch's backward, except for the last bucket. Gathering
/// of sharded weights runs during its first forward, except for the first bucket. Gradients sharded among the ranks
/// (ZeRO-2) are scattered by every rank after every micro-batch.
package struct DataParallelTime: Sendable {
    /// Seconds of adding up the gradients of a tied table.
    let tiedTable: Double
    /// Seconds of adding up the gradients of the two copies of every stage in a bidirectional pipeline.
    let copies: Double
    /// Seconds in which the replicas of shards gather the weights that they stepped.
    let outer: Double
    /// Seconds of the reductions of the slowest rank.
    let slowest: SlowestReduction
    private let microbatches: Double

    package init(_ work: LayoutWork) {
        tiedTable = PairedGradients.tiedTableSeconds(work)
        copies = PairedGradients.copiesSeconds(work)
        outer = OuterWeights.seconds(work)
        microbatches = Double(work.m)
        var slowest = SlowestReduction()
        if GradientExchange.followsPasses(work) {
            let pace = work.mixed == nil ? 0 : work.slowestPass
            for (index, kind) in work.shares.kinds.enumerated() {
                let own = work.on(kind: index)
                let times = own.times(of: kind.share)
                // Passes of unlike devices follow one another at the pace of the slowest rank. They hide as much as on
                // equal devices of that pace.
                let stretch = work.mixed == nil ? 1 : pace / own.slowestPass
                let reduction = Reduction(of: kind.share, own)
                // A reduction after every micro-batch has its own rank's backward alone.
                slowest.add(
                    reduction, forward: stretch * times.forward.total,
                    backward: (reduction.isRepeated ? 1 : stretch) * times.backward.total, work: times.withoutMessages)
            }
        }
        self.slowest = slowest
    }

    /// Exposed seconds of a step.
    package var exposed: Double { tiedTable + copies + outer + slowest.seconds(microbatches: microbatches) }
}

extension LayoutWork {
    /// Seconds of a micro-batch on the rank with the most work, without messages. Of the work of one place of a cluster of
    /// groups: if all devices were those of its group.
    fileprivate var slowestPass: Double {
        shares.kinds.enumerated().reduce(0) { max($0, on(kind: $1.offset).times(of: $1.element.share).withoutMessages) }
    }
}

/// Exposed seconds of the reductions of all ranks in a step; the slowest rank counts.
///
/// Every rank is assumed to end its last backward at the end of the passes. Ranks after the first end it a little
/// earlier, by the backwards of the ranks before them; this time is not subtracted.
struct SlowestReduction {
    private var most = 0.0
    private var pace = 0.0
    /// Exposed seconds once per step, after all micro-batches.
    private(set) var once = 0.0

    /// Includes the reduction of one rank.
    /// - Parameters:
    ///   - forward: seconds of the rank's forward of one micro-batch.
    ///   - backward: seconds of the rank's backward of one micro-batch.
    ///   - work: seconds of both passes without the compute lost to messages.
    @inline(__always)
    mutating func add(_ reduction: Reduction, forward: Double, backward: Double, work: Double) {
        let reduce = reduction.reduceExposed(behind: backward)
        let gather = reduction.gatherExposed(behind: forward)
        if reduction.isRepeated {
            // A rank with less work has more time for reductions between micro-batches.
            most = max(most, work)
            pace = max(pace, work + reduce)
            once = max(once, gather)
        } else {
            once = max(once, reduce + gather)
        }
    }

    /// Exposed seconds that reductions add to every micro-batch.
    var perMicrobatch: Double { pace - most }

    @inline(__always)
    func seconds(microbatches: Double) -> Double { microbatches * perMicrobatch + once }
}

internal import Models
internal import Plans
internal import Schedules

extension PipelineTable {
    /// Lower bound of the bytes that the blocks of one kind of rank keep at the fullest moment.
    /// - Parameters:
    ///   - whole: bounds of blocks that keep everything.
    ///   - again: bounds of the blocks that are recomputed, if any are.
    func leastKept(_ entry: Entry, kind: Int, whole: LeastPass, recomputed again: LeastPass) -> Double {
        guard whole.kept.count == blockKinds, again.kept.count == blockKinds else { return 0 }
        let stride = 4 * blockKinds + 1
        var most = 0.0
        for moment in heldBounds[entry.firstBound + kind]..<heldBounds[entry.firstBound + kind + 1] {
            var bytes = 0.0
            for block in 0..<blockKinds {
                let place = moment * stride + 2 * block
                bytes += held[place] * (entry.isPartial ? whole : again).kept[block]
                bytes += held[place + 1] * again.kept[block]
            }
            most = max(most, bytes)
        }
        return most
    }

    /// Lower bound of the seconds of one way to run the pipeline with these passes: the micro-batches of the slowest
    /// rank at the pace of its slowest node, and the filling of the pipeline if the schedule leaves the other ranks idle
    /// during it.
    /// - Parameters:
    ///   - slowest: `SlowestNode.slowest` of 0, 1, … ranks.
    ///   - beside: bounds of the seconds outside the passes, which are added; nil: they are not.
    func least(
        _ entry: Entry, _ side: LeastStep.Side, recompute: Layout.Recompute, host: Double, slowest: [Double],
        beside: LeastBeside? = nil
    ) -> Double {
        let kept = side.kept
        let again = recompute == .full ? side.recomputed ?? kept : kept
        var (most, sum, pace) = (0.0, 0.0, 0.0)
        for index in entry.firstKind..<entry.firstKind + entry.kinds {
            let share = kinds[index]
            let place = index * (4 * blockKinds + 1)
            var seconds = 0.0
            for kind in kept.blocks.indices {
                seconds += counts[place + 2 * kind + 1] * again.blocks[kind]
                seconds += counts[place + 2 * kind] * (entry.isPartial ? kept : again).blocks[kind]
            }
            if share.holdsEmbedding { seconds += kept.embedding }
            if share.holdsHead { seconds += kept.head }
            seconds = entry.passShare * seconds + Double(share.passes) * host
            sum += Double(share.count) * seconds
            most = max(most, seconds)
            pace = max(pace, seconds * (share.count < slowest.count ? slowest[share.count] : 1))
        }
        let filling = entry.schedule.hasFullBubble ? (sum - most) / Double(entry.shape.virtualStages) : 0
        let count = Double(entry.shape.microbatches)
        return LeastPasses.slack
            * (count * pace + filling + (beside?.seconds(microbatches: count, pass: most) ?? 0))
    }
}

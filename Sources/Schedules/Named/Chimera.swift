/// Chimera (Li & Hoefler 2021, arXiv 2107.06925): two pipelines of p stages in opposite directions, merged so that each
/// fills the other's bubble.
///
/// There are p stages and two copies of each: every rank holds two stages, one of each direction, and at most p
/// activations. The lower half of the micro-batches (the larger half of an odd number) enters at rank 0, the upper half at
/// the last rank.
///
/// Micro-batches come in units of p, half of them each way. Micro-batch j of a unit's direction runs its forward at stage s
/// in slot s+2j and its backward in slot 2p−1−s+2j. With p even the two directions never meet in a slot. The next unit
/// follows 2p slots later (the paper's direct concatenation). The last unit may be smaller, so any number of micro-batches
/// has a list.
enum Chimera: PipelineSchedule, MakespanLaw {
    static let name = "chimera"
    static let aliases = ["Chimera"]
    static let placement = StagePlacement.Kind.bidirectional
    static let splitsBackward = false

    static func brokenRule(_ shape: PipelineShape) -> String? {
        if shape.ranks % 2 != 0 {
            return
                "chimera needs an even number of ranks, not \(shape.ranks): its two directions take turns in the slots"
        }
        return nil
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let p = shape.ranks
        let down = stagePlacement(shape).split
        let up = shape.microbatches - down
        var list: [Action] = []
        list.reserveCapacity(2 * shape.microbatches)
        /// The forwards, or the backwards, of one direction.
        struct Stream {
            var kind: Action.Kind
            var stage: Int
            var first: Int
            var count: Int
            var next = 0
            /// Slot of the next micro-batch.
            var slot: Int
            /// Slot of the first.
            var firstSlot: Int
        }
        var streams: [Stream] = []
        for (stage, first, count) in [(rank, 0, down), (p - 1 - rank, down, up)] {
            for (kind, slot) in [(Action.Kind.forward, stage), (.backward, 2 * p - 1 - stage)] {
                streams.append(
                    Stream(kind: kind, stage: stage, first: first, count: count, slot: slot, firstSlot: slot))
            }
        }
        // Of the four streams the one with the earliest slot goes on.
        while true {
            var earliest = -1
            for (index, stream) in streams.enumerated() where stream.next < stream.count {
                if earliest < 0 || stream.slot < streams[earliest].slot { earliest = index }
            }
            guard earliest >= 0 else { break }
            let stream = streams[earliest]
            list.append(Action(stream.kind, stage: stream.stage, microbatch: stream.first + stream.next))
            let next = stream.next + 1
            let (unit, place) = next.quotientAndRemainder(dividingBy: p / 2)
            streams[earliest].next = next
            streams[earliest].slot = stream.firstSlot + 2 * p * unit + 2 * place
        }
        return list
    }

    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { .oneAtATime }

    /// Two whole units, and the smaller last unit, hold all that longer runs hold.
    static func shortened(_ shape: PipelineShape) -> PipelineShape {
        var short = shape
        short.microbatches = min(shape.microbatches, 2 * shape.ranks + shape.microbatches % shape.ranks)
        return short
    }

    /// m(T_F+T_B) + (p−2)T_B for one unit, m = p (Li & Hoefler 2021, table 2). A micro-batch meets a rank once, so the times
    /// are those of one stage.
    ///
    /// Every further unit adds p(T_F+T_B) + (p−2)(T_B−T_F): the slots of two units fit together only where forward and
    /// backward take equally long. A smaller last unit counts as a whole one.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let p = Double(shape.ranks)
        let units = Double((shape.microbatches + shape.ranks - 1) / shape.ranks)
        let joints = (units - 1) * max(0, times.backward - times.forward)
        return units * p * times.whole + (p - 2) * (times.backward + joints) + 2 * (p - 1) * times.transfer
    }

    /// Exact for whole units and T_B ≥ T_F, without transfers; an upper bound with a smaller last unit.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        shape.microbatches % shape.ranks == 0 && times.backward >= times.forward && times.transfer == 0
    }
}

extension ScheduleName {
    package static let chimera = ScheduleName(of: Chimera.self)
}

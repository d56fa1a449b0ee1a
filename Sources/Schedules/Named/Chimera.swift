/// Chimera (Li & Hoefler 2021, arXiv 2107.06925): two pipelines of p stages in opposite directions, merged so that each
/// fills the other's bubble.
///
/// Every rank holds two stages, one of each direction, so two copies of the parameters exist; there are only p stages.
/// In units of p micro-batches (half each way), micro-batch j of a unit runs its forward at stage s in slot s+2j and its
/// backward in slot 2p−1−s+2j; with p even the two directions never meet in a slot, and the next unit follows 2p slots
/// later (the paper's direct concatenation). Any number of micro-batches has a list: the last unit may be smaller.
/// The lower half of the micro-batches (the larger one of an odd number) travels from rank 0 on, the upper from the last
/// rank.
enum Chimera: PipelineSchedule {
    static func problem(_ shape: PipelineShape) -> String? {
        if let rule = problem(shape, of: .chimera, virtualStages: 2) { return rule }
        if shape.ranks % 2 != 0 {
            return
                "chimera needs an even number of ranks, not \(shape.ranks): its two directions take turns in the slots"
        }
        return nil
    }

    /// Micro-batches of each direction: half of every unit, the larger half of an odd one down.
    private static func directions(_ shape: PipelineShape) -> (down: Int, up: Int) {
        let down = shape.microbatches - shape.microbatches / 2
        return (down, shape.microbatches - down)
    }

    static func placement(_ shape: PipelineShape) -> StagePlacement {
        .bidirectional(ranks: shape.ranks, split: directions(shape).down)
    }

    static func actions(rank: Int, _ shape: PipelineShape) -> [Action] {
        let p = shape.ranks
        let (down, up) = directions(shape)
        var list: [Action] = []
        list.reserveCapacity(2 * shape.microbatches)
        // Four streams in order of slot: forwards and backwards of either direction.
        struct Stream {
            var kind: Action.Kind
            var stage: Int
            var first: Int
            var count: Int
            var next = 0
            /// Slot of the next micro-batch, and of the stream's first.
            var slot: Int
            var firstSlot: Int
        }
        var streams: [Stream] = []
        for (stage, first, count) in [(rank, 0, down), (p - 1 - rank, down, up)] {
            for (kind, slot) in [(Action.Kind.forward, stage), (.backward, 2 * p - 1 - stage)] {
                streams.append(
                    Stream(kind: kind, stage: stage, first: first, count: count, slot: slot, firstSlot: slot))
            }
        }
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

    /// Activations in flight where the slots are fullest, at most p.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        // Two whole units hold every moment of a longer run.
        var short = shape
        short.microbatches = min(shape.microbatches, 2 * shape.ranks + shape.microbatches % shape.ranks)
        return ActivationRelease.backwardWeight.peak(of: actions(rank: rank, short))
    }

    /// m(T_F+T_B) + (p−2)T_B for one unit, m = p (Li & Hoefler 2021, table 2), with the times of one stage: a micro-batch
    /// meets a rank once. Every further unit adds p(T_F+T_B) + (p−2)(T_B−T_F): the slots of two units fit together only
    /// where forward and backward take equally long. A smaller last unit counts as a whole one.
    static func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let p = Double(shape.ranks)
        let units = Double((shape.microbatches + shape.ranks - 1) / shape.ranks)
        let joints = (units - 1) * max(0, times.backward - times.forward)
        return units * p * times.whole + (p - 2) * (times.backward + joints) + 2 * (p - 1) * times.transfer
    }

    /// For whole units and T_B ≥ T_F, without transfers; an upper value with a smaller last unit.
    static func isExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        shape.microbatches % shape.ranks == 0 && times.backward >= times.forward && times.transfer == 0
    }
}

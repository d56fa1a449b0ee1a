package import Schedules

/// An instance of the scheduling problem, for which the fastest lists are searched: stages on ranks, the times of their
/// actions, and the activations that a rank may hold.
package struct SchedulingInstance: Sendable {
    package var placement: StagePlacement
    package var microbatches: Int
    package var costs: ActionCosts
    /// Most activations, counted in stages, that each rank may hold until their weight gradient is done.
    package var memoryLimits: [Int]
    /// Whether the last stage does each micro-batch's backward before the next one's forward, so that it never holds the
    /// logits of two micro-batches.
    package var keepsOneLossPending: Bool

    /// - Parameter memoryLimit: most activations of every rank; nil: any number.
    package init(placement: StagePlacement, microbatches: Int, costs: ActionCosts, memoryLimit: Int? = nil) {
        let ranks = (placement.stageToRank.max() ?? 0) + 1
        self.init(
            placement: placement, microbatches: microbatches, costs: costs,
            memoryLimits: [Int](repeating: memoryLimit ?? .max, count: ranks))
    }

    /// - Parameter memoryLimits: most activations of each rank of the placement.
    package init(
        placement: StagePlacement, microbatches: Int, costs: ActionCosts, memoryLimits: [Int],
        keepsOneLossPending: Bool = false
    ) {
        self.placement = placement
        self.microbatches = microbatches
        self.costs = costs
        self.memoryLimits = memoryLimits
        self.keepsOneLossPending = keepsOneLossPending
    }

    var stages: Int { placement.stages }
    var ranks: Int { memoryLimits.count }
    /// The rank of the last stage.
    var lastRank: Int { placement.stageToRank[stages - 1] }

    /// Whether a rank's list keeps to its limits.
    func keepsToLimit(_ list: [Action], rank: Int) -> Bool {
        guard ActivationRelease.backwardWeight.peak(of: list) <= memoryLimits[rank] else { return false }
        guard keepsOneLossPending, rank == lastRank else { return true }
        let last = stages - 1
        var pending = 0
        for part in list.lazy.flatMap(\.parts) where Int(part.stage) == last && part.kind != .backwardWeight {
            pending += part.kind == .forward ? 1 : -1
            if pending > 1 { return false }
        }
        return true
    }

    /// Time of the lists; nil if they break a limit or cannot be run.
    func makespan(of lists: [[Action]]) -> Double? {
        guard lists.indices.allSatisfy({ keepsToLimit(lists[$0], rank: $0) }) else { return nil }
        let schedule = Schedule(
            name: "optimal", ranks: ranks, virtualStages: max(1, stages / ranks), microbatches: microbatches,
            placement: placement, actions: lists)
        guard let valid = try? ValidSchedule(schedule) else { return nil }
        var engine = Engine(valid, costs: costs, keepsTimes: false)
        engine.run()
        return engine.makespan
    }

    /// A time that no lists go below. It is the longest of these: one micro-batch's way through all stages and back; and, for
    /// each rank, the earliest arrival of its first activation plus all its work.
    var lowerBound: Double {
        var arrival = 0.0
        var firstArrival = [Double](repeating: .infinity, count: ranks)
        var work = [Double](repeating: 0, count: ranks)
        var path = 0.0
        for (stage, rank) in placement.stageToRank.enumerated() {
            // A hop between ranks takes a transfer, whoever waits for it.
            if stage > 0, placement.stageToRank[stage - 1] != rank {
                arrival += costs.transfer(between: stage - 1, stage)
                path += 2 * costs.transfer(between: stage - 1, stage)
            }
            firstArrival[rank] = min(firstArrival[rank], arrival)
            arrival += costs.forward[stage]
            let halves = costs.backwardInput[stage] + costs.backwardWeight[stage]
            work[rank] += Double(microbatches) * (costs.forward[stage] + min(halves, costs.backward[stage]))
            path += costs.forward[stage] + min(costs.backwardInput[stage], costs.backward[stage])
        }
        // The first stage still has its weight gradient to do.
        path += min(
            costs.backwardWeight[0], max(0, costs.backward[0] - min(costs.backwardInput[0], costs.backward[0])))
        return zip(firstArrival, work).reduce(path) { max($0, $1.0 + $1.1) }
    }
}

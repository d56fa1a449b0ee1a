package import Schedules

/// What a schedule is looked for: stages on ranks, what they take, and how much a rank may hold.
package struct ScheduleProblemStatement: Sendable {
    package var placement: StagePlacement
    package var microbatches: Int
    package var costs: ActionCosts
    /// Most activations, counted in stages, that each rank may hold until their weight gradient is done.
    package var memoryLimits: [Int]
    /// Whether the last stage does a micro-batch's backward before the next one's forward, so that it never holds the
    /// logits of two.
    package var endsLossesAtOnce: Bool

    /// - Parameter memoryLimit: The same for all ranks; nil: any number.
    package init(placement: StagePlacement, microbatches: Int, costs: ActionCosts, memoryLimit: Int? = nil) {
        let ranks = (placement.stageToRank.max() ?? 0) + 1
        self.init(
            placement: placement, microbatches: microbatches, costs: costs,
            memoryLimits: [Int](repeating: memoryLimit ?? .max, count: ranks))
    }

    /// - Parameter memoryLimits: One a rank of the placement.
    package init(
        placement: StagePlacement, microbatches: Int, costs: ActionCosts, memoryLimits: [Int],
        endsLossesAtOnce: Bool = false
    ) {
        self.placement = placement
        self.microbatches = microbatches
        self.costs = costs
        self.memoryLimits = memoryLimits
        self.endsLossesAtOnce = endsLossesAtOnce
    }

    var stages: Int { placement.stages }
    var ranks: Int { memoryLimits.count }
    /// The rank that turns micro-batches round.
    var lastRank: Int { placement.stageToRank[stages - 1] }

    /// Whether a rank's list keeps to what it may hold.
    func keepsToLimit(_ list: [Action], rank: Int) -> Bool {
        guard ActivationRelease.backwardWeight.peak(of: list) <= memoryLimits[rank] else { return false }
        guard endsLossesAtOnce, rank == lastRank else { return true }
        let last = stages - 1
        var pending = 0
        for part in list.lazy.flatMap(\.parts) where Int(part.stage) == last && part.kind != .backwardWeight {
            pending += part.kind == .forward ? 1 : -1
            if pending > 1 { return false }
        }
        return true
    }

    /// Time of lists that keep to the limit; nil of those that do not, or cannot be run.
    func makespan(of lists: [[Action]]) -> Double? {
        guard lists.indices.allSatisfy({ keepsToLimit(lists[$0], rank: $0) }) else { return nil }
        let schedule = Schedule(
            name: "optimal", ranks: ranks, virtualStages: max(1, stages / ranks), microbatches: microbatches,
            placement: placement, actions: lists)
        guard let program = try? ScheduleProgram(schedule) else { return nil }
        var engine = Engine(program: program, costs: costs, keepsTimes: false)
        engine.run()
        return engine.makespan
    }

    /// The longest of: for each rank, all its work after the first activation can have arrived; and one micro-batch's
    /// way through all stages and back.
    var lowerBound: Double {
        var arrival = 0.0
        var head = [Double](repeating: .infinity, count: ranks)
        var work = [Double](repeating: 0, count: ranks)
        var path = 0.0
        for (stage, rank) in placement.stageToRank.enumerated() {
            // A hop between ranks takes a transfer, whoever waits for it.
            if stage > 0, placement.stageToRank[stage - 1] != rank {
                arrival += costs.transfer
                path += 2 * costs.transfer
            }
            head[rank] = min(head[rank], arrival)
            arrival += costs.forward[stage]
            let half = costs.backwardInput[stage] + costs.backwardWeight[stage]
            work[rank] += Double(microbatches) * (costs.forward[stage] + min(half, costs.backward[stage]))
            path += costs.forward[stage] + min(costs.backwardInput[stage], costs.backward[stage])
        }
        // The first stage still has its weight gradient to do.
        path += min(
            costs.backwardWeight[0], max(0, costs.backward[0] - min(costs.backwardInput[0], costs.backward[0])))
        return zip(head, work).reduce(path) { max($0, $1.0 + $1.1) }
    }
}

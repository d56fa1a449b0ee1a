package import Schedules

/// What a schedule is looked for: stages on ranks, what they take, and how much a rank may hold.
package struct ScheduleProblemStatement: Sendable {
    package var placement: StagePlacement
    package var microbatches: Int
    package var costs: ActionCosts
    /// Most activations, counted in stages, that a rank may hold until their weight gradient is done; nil: any number.
    package var memoryLimit: Int?

    package init(placement: StagePlacement, microbatches: Int, costs: ActionCosts, memoryLimit: Int? = nil) {
        self.placement = placement
        self.microbatches = microbatches
        self.costs = costs
        self.memoryLimit = memoryLimit
    }

    var stages: Int { placement.stages }
    var ranks: Int { (placement.stageToRank.max() ?? 0) + 1 }
    var limit: Int { memoryLimit ?? .max }
}

/// The best schedule found for a statement.
package struct OptimalSchedule: Sendable {
    package var schedule: Schedule
    package var makespan: Double
    /// How it was found, in words.
    package var origin: String
    /// No schedule of the statement's placement is faster than this.
    package var lowerBound: Double
    /// Whether it was shown that none of the placement is faster: the bound is met, or every order was tried.
    package var isProven: Bool
}

extension Simulator {
    /// The fastest schedule a search finds: list scheduling with split backwards over many orders of preference, then
    /// exchanges along the critical path; small ones are searched to the end.
    ///
    /// - Parameters:
    ///   - known: Schedules of the same placement that the answer must not be slower than; those over the limit or
    ///     against the costs are passed over.
    ///   - effort: Actions timed in all, about; bounds the time, 20 million a second or so.
    /// - Returns: nil if nothing was found that keeps to the limit.
    /// - Throws: the cost that is not a time.
    package static func optimal(
        _ statement: ScheduleProblemStatement, known: [Schedule] = [], effort: Int = 20_000_000
    ) throws(SimulationProblem) -> OptimalSchedule? {
        try statement.costs.validate(stages: statement.stages)
        guard statement.microbatches >= 1, statement.placement.reverseStageToRank == nil else { return nil }
        let bound = statement.lowerBound
        var best: (lists: [[Action]], makespan: Double, origin: String)?
        func offer(_ lists: [[Action]], _ origin: String) {
            guard let time = statement.makespan(of: lists), time < best?.makespan ?? .infinity else { return }
            best = (lists, time, origin)
        }
        for schedule in known { offer(schedule.actions, schedule.name) }
        let tolerance = bound * 1e-12
        func isDone() -> Bool { (best?.makespan ?? .infinity) <= bound + tolerance }

        if !isDone() {
            let size = 3 * statement.stages * statement.microbatches
            // Half of the effort for the orders of preference, the rest for what is made of the best.
            var left = effort / 2
            for preference in Preference.all(statement) {
                if left < size || isDone() { break }
                left -= 4 * size
                if let lists = ListScheduler(statement, preference).lists() { offer(lists, "list scheduling") }
            }
        }
        if !isDone(), let found = best {
            let improved = Improvement(statement, lists: found.lists).run(effort: effort / 2, bound: bound)
            if improved.makespan < found.makespan {
                best = (improved.lists, improved.makespan, found.origin + ", improved")
            }
        }
        var isProven = isDone()
        if !isProven, 3 * statement.stages * statement.microbatches <= ExactSearch.mostActions {
            var search = ExactSearch(statement, below: best?.makespan ?? .infinity, bound: bound)
            search.run()
            if let lists = search.best { offer(lists, "exact search") }
            isProven = search.isComplete
        }
        guard let best else { return nil }
        let schedule = Schedule(
            name: "optimal", ranks: statement.ranks, virtualStages: max(1, statement.stages / statement.ranks),
            microbatches: statement.microbatches, placement: statement.placement, actions: best.lists)
        return OptimalSchedule(
            schedule: schedule, makespan: best.makespan, origin: best.origin, lowerBound: bound, isProven: isProven)
    }
}

extension ScheduleProblemStatement {
    /// Time of lists that keep to the limit; nil of those that do not, or cannot be run.
    func makespan(of lists: [[Action]]) -> Double? {
        guard lists.allSatisfy({ ActivationRelease.backwardWeight.peak(of: $0) <= limit }) else { return nil }
        let schedule = Schedule(
            name: "optimal", ranks: ranks, virtualStages: max(1, stages / ranks), microbatches: microbatches,
            placement: placement, actions: lists)
        guard let program = try? Program(schedule) else { return nil }
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

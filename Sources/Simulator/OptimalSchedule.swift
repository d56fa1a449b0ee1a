internal import Numbers
package import Schedules

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

    /// One line for people: how it was found, and how far it may be from the least possible.
    package var remark: String {
        let permille = lowerBound > 0 ? Int(saturating: ((makespan / lowerBound - 1) * 1000).rounded()) : 0
        let proof =
            isProven
            ? "none with these stages is faster"
            : "at most \(permille / 10).\(permille % 10) % above the least possible"
        return "optimal: \(origin), \(schedule.virtualStages) stage(s) a rank, \(proof)"
    }
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
        guard statement.microbatches >= 1, statement.placement.reverseStageToRank == nil,
            statement.memoryLimits.allSatisfy({ $0 >= 1 })
        else { return nil }
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

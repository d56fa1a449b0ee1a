internal import Numbers
package import Schedules

/// The fastest schedule found for an instance of the scheduling problem.
package struct OptimalSchedule: Sendable {
    package var schedule: Schedule
    package var makespan: Double
    /// The method that found it, in words.
    package var origin: String
    /// A time that no schedule of the instance's placement goes below.
    package var lowerBound: Double
    /// Whether no schedule of the placement is faster: the bound is met, or every order was tried.
    package var isProven: Bool

    /// One line for people: the method, and the distance from the least possible time.
    package var remark: String {
        let permille = lowerBound > 0 ? Int(saturating: ((makespan / lowerBound - 1) * 1000).rounded()) : 0
        let proof =
            isProven
            ? "none with these stages is faster"
            : "at most \(Figures.decimal(permille, 1)) % above the least possible"
        return "optimal: \(origin), \(schedule.virtualStages) stage(s) a rank, \(proof)"
    }
}

extension Simulator {
    /// The fastest schedule that a search finds: list scheduling with split backwards over many priority rules, then local
    /// search along the critical path. Small instances are searched to the end by branch and bound.
    ///
    /// - Parameters:
    ///   - known: schedules of the placement that the answer must not be slower than. Those that break a limit are ignored.
    ///   - effort: about how many actions are timed in all; it bounds the time, at some 20 million a second.
    /// - Returns: nil if nothing was found that keeps to the limits.
    /// - Throws: the cost that is not a time.
    package static func optimal(
        _ instance: SchedulingInstance, known: [Schedule] = [], effort: Int = 20_000_000
    ) throws(SimulationProblem) -> OptimalSchedule? {
        try instance.costs.validate(stages: instance.stages)
        guard instance.microbatches >= 1, instance.placement.reverseStageToRank == nil,
            instance.memoryLimits.allSatisfy({ $0 >= 1 })
        else { return nil }
        let bound = instance.lowerBound
        var best: (lists: [[Action]], makespan: Double, origin: String)?
        func offer(_ lists: [[Action]], _ origin: String) {
            guard let time = instance.makespan(of: lists), time < best?.makespan ?? .infinity else { return }
            best = (lists, time, origin)
        }
        for schedule in known { offer(schedule.actions, schedule.name) }
        let tolerance = bound * 1e-12
        func isDone() -> Bool { (best?.makespan ?? .infinity) <= bound + tolerance }

        if !isDone() {
            let size = 3 * instance.stages * instance.microbatches
            // Half of the effort goes to list scheduling, half to the local search from its best lists.
            var left = effort / 2
            for rule in PriorityRule.candidates(for: instance) {
                if left < size || isDone() { break }
                left -= 4 * size
                if let lists = ListScheduler(instance, rule).lists() { offer(lists, "list scheduling") }
            }
        }
        if !isDone(), let found = best {
            var localSearch = LocalSearch(instance, lists: found.lists)
            let improved = localSearch.run(effort: effort / 2, bound: bound)
            if improved.makespan < found.makespan {
                best = (improved.lists, improved.makespan, found.origin + ", improved")
            }
        }
        var isProven = isDone()
        if !isProven, 3 * instance.stages * instance.microbatches <= BranchAndBound.mostActions {
            var search = BranchAndBound(instance, below: best?.makespan ?? .infinity, bound: bound)
            search.run()
            if let lists = search.best { offer(lists, "exact search") }
            isProven = search.isComplete
        }
        guard let best else { return nil }
        let schedule = Schedule(
            name: "optimal", ranks: instance.ranks, virtualStages: max(1, instance.stages / instance.ranks),
            microbatches: instance.microbatches, placement: instance.placement, actions: best.lists)
        return OptimalSchedule(
            schedule: schedule, makespan: best.makespan, origin: best.origin, lowerBound: bound, isProven: isProven)
    }
}

package import Costs
package import Plans
internal import Schedules

/// One strategy at its own best on one plan.
package struct ComparedStrategy: Sendable {
    package var strategy: Strategy
    /// Its fastest layout that fits, else the one that needs least memory; nil where the strategy has no layout.
    package var estimate: Estimate?
    package var fits: Bool
    /// Bytes a device sends over each network in a step, from inside out.
    package var traffic: [NetworkTraffic] = []
    /// Layouts priced.
    package var evaluated: Int
    /// What most of its time or its memory goes to.
    package var limit = "-"
    /// Why it loses, or that it wins.
    package var verdict: String

    /// Fills in `traffic` and `limit`.
    fileprivate mutating func measure(_ estimate: Estimate, pricer: Pricer?, usable: Double) {
        if let work = try? pricer?.work(estimate.layout) {
            traffic = work.networkTraffic(rank: work.iterationTime().bottleneck)
        }
        limit = Verdict.limit(estimate, fits: fits, usable: usable)
    }
}

/// Every strategy at its own best, in the order given.
///
/// - Throws: what makes the plan impossible to price.
package func compare(
    plan: Plan, strategies: [Strategy], settings: SearchSettings = SearchSettings(),
    options: CostOptions = CostOptions()
) throws(PlannerError) -> [ComparedStrategy] {
    let pricer: Pricer
    let own = plan
    let plan = plan.open
    do throws(CostError) { pricer = try Pricer(plan: plan, options: options) } catch { throw .cost(error) }
    let usable = settings.usableMemory * plan.cluster.device.memoryBytes
    var question = SpaceQuestion()
    question.leaders = 8
    question.usable = usable
    question.threads = settings.threads
    var found: [ComparedStrategy] = []
    for strategy in strategies {
        var row = ComparedStrategy(strategy: strategy, estimate: nil, fits: false, evaluated: 0, verdict: "")
        let space = strategy.space(settings.space)
        if let obstacle = Verdict.unknownSchedule(space, settings.space, plan) {
            row.verdict = obstacle
            found.append(row)
            continue
        }
        // The best of all comes from the same choice as everywhere.
        question.leaders = strategy.name == Strategy.auto ? SpaceQuestion.fewestLeaders : 8
        let priced = priceSpace(space, pricer: pricer, question: question)
        let timed = estimates(
            of: priced.effort.feasible > 0 ? priced.leaders : priced.smallest.map { [$0] } ?? [], pricer: pricer,
            settings: settings)
        let best = timed.indices.min { (timed[$0].iteration.seconds, $0) < (timed[$1].iteration.seconds, $1) }
        row.estimate = best.map { timed[$0] }
        row.fits = priced.effort.feasible > 0
        row.evaluated = priced.effort.evaluated
        if row.estimate == nil { row.verdict = Verdict.impossible(strategy, space, plan) }
        found.append(row)
    }
    let winner = found.compactMap { $0.fits ? $0.estimate : nil }.min { $0.iteration.seconds < $1.iteration.seconds }
    var named: [Layout: String] = [:]
    for index in found.indices {
        guard let estimate = found[index].estimate else { continue }
        found[index].measure(estimate, pricer: pricer, usable: usable)
        let verdict = Verdict.verdict(estimate, fits: found[index].fits, against: winner, usable: usable)
        // A layout that is the best of two strategies is described once.
        if verdict == Verdict.fastest, let other = named[estimate.layout] {
            found[index].verdict = "the same layout as \(other)"
        } else {
            found[index].verdict = verdict
            if verdict == Verdict.fastest { named[estimate.layout] = found[index].strategy.name }
        }
    }
    if let stated = ownLayout(of: own, settings: settings, options: options, against: winner) {
        let strategy = Strategy(name: Strategy.own, summary: "the layout of the plan", space: SearchSpace())
        var row = ComparedStrategy(
            strategy: strategy, estimate: stated.estimate, fits: stated.fits, evaluated: 1, verdict: stated.verdict)
        row.measure(stated.estimate, pricer: try? Pricer(plan: own, options: options), usable: usable)
        if row.verdict == Verdict.fastest, let other = named[stated.estimate.layout] {
            row.verdict = "the same layout as \(other)"
        }
        found.append(row)
    }
    return found
}

extension Strategy {
    /// Its part of the space that `asked` leaves open.
    fileprivate func space(_ asked: SearchSpace) -> SearchSpace {
        var space = self.space
        space.base = asked.base
        space.anySoftware = asked.anySoftware
        space.schedules = space.schedules ?? asked.schedules
        return space
    }
}

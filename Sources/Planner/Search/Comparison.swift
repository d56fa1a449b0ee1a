package import Costs
package import Plans
internal import Schedules

/// The best layout of one strategy for one plan.
package struct ComparedStrategy: Sendable {
    package var strategy: Strategy
    /// The fastest layout that fits, else the one that needs least memory; nil where the strategy has no layout.
    package var estimate: Estimate?
    package var fits: Bool
    /// Bytes that a device sends over each network in a step, innermost network first.
    package var traffic: [NetworkTraffic] = []
    /// Number of layouts that were priced.
    package var evaluated: Int
    /// The part that takes most of the time, or most of the memory where the layout does not fit.
    package var limit = "-"
    /// One sentence: why the strategy loses, or that it wins.
    package var verdict: String

    /// Takes the layout that another order of the cluster's groups gives, if it is better.
    fileprivate mutating func take(_ other: ComparedStrategy) {
        evaluated += other.evaluated
        guard let theirs = other.estimate else { return }
        if let own = estimate {
            guard other.fits || !fits else { return }
            let isBetter =
                other.fits
                ? !fits || theirs.rankingSeconds < own.rankingSeconds
                : theirs.peakMemory / theirs.capacity < own.peakMemory / own.capacity
            guard isBetter else { return }
        }
        (estimate, fits, verdict) = (theirs, other.fits, other.verdict)
    }

    /// Fills in `traffic` and `limit`.
    fileprivate mutating func measure(_ estimate: Estimate, pricer: Pricer?, usable: Double) {
        if let work = try? pricer?.work(estimate.layout) {
            let rank = IterationTime(work).bottleneck
            traffic = NetworkTraffic.sent(work, rank: rank)
            if work.layout.offload != nil {
                traffic.append(
                    NetworkTraffic(network: "host", bytes: HostTraffic(work.on(rank: rank), rank: rank).toHost))
            }
        }
        limit = Verdict.limit(estimate, fits: fits, usable: usable)
    }
}

/// The best layout of every strategy, in the order given.
/// - Throws: the reason why the plan cannot be priced.
package func compare(
    plan: Plan, strategies: [Strategy], settings: SearchSettings = SearchSettings(),
    options: CostOptions = CostOptions()
) throws(PlannerError) -> [ComparedStrategy] {
    guard !plan.offloadsIfNeeded else {
        // As a search: the first step with which some layout fits, for all strategies.
        var rows: [ComparedStrategy] = []
        for tried in plan.offloading(anySoftware: settings.space.anySoftware) {
            rows = try compare(plan: tried, strategies: strategies, settings: settings, options: options)
            if rows.contains(where: \.fits) { break }
        }
        return rows
    }
    let own = plan
    // Pipeline stages can fill the groups of a cluster in several orders; each strategy takes its best.
    let orders = plan.cluster.groups?.orders ?? []
    var found: [ComparedStrategy] = []
    for order in orders.count > 1 ? orders.map(Optional.some) : [nil] {
        var ordered = plan.open
        if let order { ordered.cluster = plan.cluster.reordered(order) }
        let rows = try candidates(plan: ordered, strategies: strategies, settings: settings, options: options)
        guard !found.isEmpty else {
            found = rows
            continue
        }
        for (index, row) in rows.enumerated() { found[index].take(row) }
    }
    let winner = found.compactMap { $0.fits ? $0.estimate : nil }.min { $0.rankingSeconds < $1.rankingSeconds }
    var named: [Layout: String] = [:]
    for index in found.indices {
        guard let estimate = found[index].estimate else { continue }
        let usable = settings.usableMemory * estimate.plan.cluster.device.memoryBytes
        found[index].measure(estimate, pricer: try? Pricer(plan: estimate.plan, options: options), usable: usable)
        let verdict = Verdict.verdict(estimate, fits: found[index].fits, against: winner, usable: usable)
        // When two strategies share their best layout, the second refers to the first.
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
        let usable = settings.usableMemory * own.cluster.device.memoryBytes
        row.measure(stated.estimate, pricer: try? Pricer(plan: own, options: options), usable: usable)
        if row.verdict == Verdict.fastest, let other = named[stated.estimate.layout] {
            row.verdict = "the same layout as \(other)"
        }
        found.append(row)
    }
    return found
}

/// The best layout of every strategy for an open plan, with the groups of its cluster in their order.
private func candidates(
    plan: Plan, strategies: [Strategy], settings: SearchSettings, options: CostOptions
) throws(PlannerError) -> [ComparedStrategy] {
    let pricer: Pricer
    do throws(CostError) { pricer = try Pricer(plan: plan, options: options) } catch { throw .cost(error) }
    let usable = settings.usableMemory * plan.cluster.device.memoryBytes
    var request = PricingRequest()
    request.leaders = 8
    request.usable = usable
    request.threads = settings.threads
    var found: [ComparedStrategy] = []
    for strategy in strategies {
        var row = ComparedStrategy(strategy: strategy, estimate: nil, fits: false, evaluated: 0, verdict: "")
        let space = strategy.space(settings.space)
        if let obstacle = Verdict.unknownSchedule(space, settings.space, plan) {
            row.verdict = obstacle
            found.append(row)
            continue
        }
        // The `auto` row is the answer of a search, so it is chosen from as many leaders.
        request.leaders = strategy.name == Strategy.auto ? PricingRequest.fewestLeaders : 8
        let priced = priceSpace(space, pricer: pricer, request: request)
        var timed = estimates(
            of: priced.effort.feasible > 0 ? priced.leaders : priced.smallest.map { [$0] } ?? [], pricer: pricer,
            settings: settings)
        if strategy.name == Strategy.auto, priced.effort.feasible > 0 {
            timed += space.measuredLayouts(beside: timed, pricer: pricer, settings: settings, usable: usable)
        }
        let ranking = timed.map(\.rankingSeconds)
        let best = timed.indices.min { (ranking[$0], $0) < (ranking[$1], $1) }
        row.estimate = best.map { timed[$0] }
        row.fits = priced.effort.feasible > 0
        row.evaluated = priced.effort.evaluated
        if row.estimate == nil { row.verdict = Verdict.impossible(strategy, space, plan) }
        found.append(row)
    }
    return found
}

extension Strategy {
    /// The strategy's part of the search space, with the settings of `asked` that no strategy decides.
    fileprivate func space(_ asked: SearchSpace) -> SearchSpace {
        var space = self.space
        space.base = asked.base
        space.anySoftware = asked.anySoftware
        space.schedules = space.schedules ?? asked.schedules
        return space
    }
}

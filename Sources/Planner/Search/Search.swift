package import Costs
internal import Dispatch
package import Plans

/// The best layouts of a plan that fit in memory.
///
/// Every layout of the space is priced by closed form; the leaders, and the best of every schedule, are timed by the
/// simulator and ranked by that.
/// - Parameter progress: Called now and then with the share that is done, from any thread.
/// - Throws: `nothingFits` with the layout that came closest, or why there is none at all.
package func search(
    plan: Plan, settings: SearchSettings = SearchSettings(), options: CostOptions = CostOptions(),
    progress: (@Sendable (Double) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    var none: SpaceBounds?
    return try search(plan: plan, settings: settings, options: options, bounds: &none, progress: progress)
}

/// - Parameter bounds: nil: everything is priced, and told of; else only the fastest is of interest, and what cannot be
///   it is left out.
package func search(
    plan: Plan, settings: SearchSettings, options: CostOptions, bounds: inout SpaceBounds?,
    progress: (@Sendable (Double) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    let clock = ContinuousClock()
    let began = clock.now
    let pricer: Pricer
    let own = plan
    let plan = plan.open
    do throws(CostError) { pricer = try Pricer(plan: plan, options: options) } catch { throw .cost(error) }
    if let rule = settings.space.contradiction(plan) { throw .contradiction(rule) }
    let usable = settings.usableMemory * plan.cluster.device.memoryBytes
    var question = SpaceQuestion()
    // However few are asked for, the first is chosen from as many: it does not depend on how many are printed.
    question.leaders = max(settings.top * 3 / 2 + 2, SpaceQuestion.fewestLeaders)
    question.byMemory = settings.objective == .memory
    question.keepsFront = settings.wantsFront
    question.usable = usable
    question.threads = settings.threads
    question.progress = progress
    var bar = (settings.slowest ?? .infinity) * (1 + SearchSettings.closedFormError)
    let space: PricedSpace
    if bounds != nil {
        space = priceSpace(settings.space, pricer: pricer, question: question, slowest: bar, bounds: &bounds)
        if let best = space.leaders.first { bar = min(bar, best.seconds * (1 + SearchSettings.closedFormError)) }
    } else {
        space = priceSpace(settings.space, pricer: pricer, question: question)
    }
    guard space.effort.evaluated > 0 else {
        if bounds != nil { throw .noLayout("no layout is fast enough") }
        throw .noLayout(settings.space.emptiness(plan, rejected: space.effort.rejected))
    }
    guard space.effort.feasible > 0 else { throw nothingFits(plan, space, usable, settings, options) }

    let timed = estimates(of: space.leaders.filter { $0.seconds <= bar }, pricer: pricer, settings: settings)
    // Equal ones keep the order of the space, so the answer is one whatever ran first.
    let order = timed.indices.sorted { one, other in
        let (a, b) = (timed[one], timed[other])
        if settings.objective == .memory, a.peakMemory != b.peakMemory { return a.peakMemory < b.peakMemory }
        return (a.iteration.seconds, one) < (b.iteration.seconds, other)
    }
    var result = SearchResult(
        candidates: order.prefix(settings.top).map { timed[$0] }, effort: space.effort)
    result.searched = SearchedSpace(settings.space, plan)
    result.own = ownLayout(of: own, settings: settings, options: options, against: result.candidates.first)
    if settings.wantsFront {
        var front: [Estimate] = []
        let points = estimates(of: thinned(space.front, to: 48), pricer: pricer, settings: settings)
        for point in (points + timed).sorted(by: { $0.peakMemory < $1.peakMemory }) {
            if point.iteration.seconds < front.last?.iteration.seconds ?? .infinity {
                // Of several with the same memory the fastest stays.
                if front.last?.peakMemory == point.peakMemory { front.removeLast() }
                front.append(point)
            }
        }
        result.front = front
    }
    result.seconds = (clock.now - began).inSeconds
    return result
}

/// The layout the plan states, with the schedule chosen where it leaves that open, and what `best` gains on it; nil where
/// it states none or none that can be priced.
func ownLayout(
    of plan: Plan, settings: SearchSettings, options: CostOptions, against best: Estimate?
) -> OwnLayout? {
    guard let layout = plan.layout else { return nil }
    let estimate =
        plan.openSchedule == nil
        ? try? price(plan: plan, layout: layout, options: options)
        : try? chooseSchedule(plan: plan, layout: layout, settings: settings, options: options).estimate
    guard let estimate else { return nil }
    let usable = settings.usableMemory * plan.cluster.device.memoryBytes
    let fits = estimate.peakMemory <= usable
    var verdict = Verdict.verdict(estimate, fits: fits, against: best, usable: usable, isOwn: true)
    let software = estimate.plan.framework(for: estimate.layout).name
    if let other = best.map({ $0.plan.framework(for: $0.layout).name }), other != software {
        verdict += " (priced on \(software), the others on \(other))"
    }
    return OwnLayout(estimate: estimate, fits: fits, verdict: verdict)
}

/// The layouts timed by the simulator, in their order; those that cannot be timed keep their closed form.
func estimates(of layouts: [PricedLayout], pricer: Pricer, settings: SearchSettings) -> [Estimate] {
    map(layouts.count, threads: settings.threads) { index -> Estimate? in
        guard let work = try? pricer.work(layouts[index].layout) else { return nil }
        let simulated = settings.simulates ? try? simulatedEstimate(layouts[index].layout, pricer) : nil
        return simulated ?? work.estimate(time: work.iterationTime())
    }.compactMap(\.self)
}

/// At most `count` of the points, evenly, with both ends.
private func thinned(_ front: [PricedLayout], to count: Int) -> [PricedLayout] {
    guard front.count > count, count > 1 else { return front }
    return (0..<count).map { front[$0 * (front.count - 1) / (count - 1)] }
}

private func nothingFits(
    _ plan: Plan, _ space: PricedSpace, _ usable: Double, _ settings: SearchSettings, _ options: CostOptions
) -> PlannerError {
    guard let smallest = space.smallest else {
        return .noLayout(settings.space.emptiness(plan, rejected: space.effort.rejected))
    }
    return .nothingFits(
        NothingFits(
            layout: smallest.layout, peak: smallest.peak, usable: usable, device: plan.cluster.device.name,
            devices: plan.devices, tried: space.effort.evaluated,
            enough: settings.explainsMisfit
                ? fewestDevices(plan, above: plan.devices, settings: settings, options: options) : nil))
}

/// The fewest `DeviceCounts` above `above` on which some layout of the space fits; nil when 64 times as many are too few.
func fewestDevices(
    _ plan: Plan, above: Int, settings: SearchSettings, options: CostOptions
) -> Int? {
    // What needs least memory is enough to know.
    var sparing = settings.space
    sparing.microbatch.most = 1
    sparing.partialRecompute = false
    if sparing.recompute.contains(.full) { sparing.recompute = [.full] }
    var question = SpaceQuestion()
    question.leaders = 1
    question.perSchedule = 0
    question.usable = settings.usableMemory * plan.cluster.device.memoryBytes
    question.threads = settings.threads
    let most = above.multipliedReportingOverflow(by: 64)
    let counts = DeviceCounts(plan, space: settings.space)
        .between(above + 1, most.overflow ? .max / 64 : most.partialValue)
    let bound = StepBound(plan, space: settings.space, options: options)
    for count in counts where !bound.exceedsMemory(devices: count, usable: question.usable) {
        guard let pricer = try? Pricer(plan: plan.using(count), options: options) else { return nil }
        if priceSpace(sparing, pricer: pricer, question: question).effort.feasible > 0 { return count }
    }
    return nil
}

/// `body` of every index, computed on all cores, in order of the index.
func map<Result: Sendable>(_ count: Int, threads: Int?, _ body: @Sendable (Int) -> Result) -> [Result] {
    guard count > 0 else { return [] }
    // More chunks than cores even out layouts that take longer.
    let chunks = threads == 1 ? 1 : min(count, threads ?? 64)
    return Array(unsafeUninitializedCapacity: count) { buffer, initialized in
        nonisolated(unsafe) let base = buffer.baseAddress
        DispatchQueue.concurrentPerform(iterations: chunks) { chunk in
            for index in (count * chunk / chunks)..<(count * (chunk + 1) / chunks) {
                base.map { ($0 + index).initialize(to: body(index)) }
            }
        }
        initialized = count
    }
}

package import Costs
internal import Numbers
package import Plans

/// The best layouts of a plan that fit in memory.
///
/// Every layout of the space is priced by closed form; the leaders, and the best of every schedule, are timed by the
/// simulator and ranked by that.
/// - Parameter progress: called now and then, from any thread, with the share of the space that is priced.
/// - Throws: `nothingFits` with the layout that came closest, or `noLayout` with the reason.
package func search(
    plan: Plan, settings: SearchSettings = SearchSettings(), options: CostOptions = CostOptions(),
    progress: (@Sendable (Double) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    var none: SpaceBounds?
    return try search(plan: plan, settings: settings, options: options, bounds: &none, progress: progress)
}

/// The best layouts of a plan that fit in memory, with bounds that leave slow ones out.
/// - Parameter bounds: nil: every layout is priced; else only the fastest is of interest, and layouts that a bound
///   shows to be slower are not priced.
package func search(
    plan: Plan, settings: SearchSettings, options: CostOptions, bounds: inout SpaceBounds?,
    progress: (@Sendable (Double) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    guard !plan.offloadsIfNeeded else {
        return try searchOffloading(plan, settings: settings, options: options, progress: progress)
    }
    if let groups = plan.cluster.groups, groups.orders.count > 1 {
        return try searchOrders(of: groups, plan: plan, settings: settings, options: options, progress: progress)
    }
    return try searchOneOrder(plan: plan, settings: settings, options: options, bounds: &bounds, progress: progress)
}

/// The best layouts of a plan, with the groups of its cluster in their order.
func searchOneOrder(
    plan: Plan, settings: SearchSettings, options: CostOptions, bounds: inout SpaceBounds?,
    progress: (@Sendable (Double) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    let clock = ContinuousClock()
    let began = clock.now
    let pricer: Pricer
    let own = plan
    let plan = plan.open
    do throws(CostError) {
        if let known = try bounds?.pricer(plan, options) {
            pricer = known
        } else {
            pricer = try Pricer(plan: plan, options: options)
        }
    } catch { throw .cost(error) }
    if let rule = settings.space.contradiction(plan) { throw .contradiction(rule) }
    let usable = settings.usableMemory * plan.cluster.device.memoryBytes
    var request = PricingRequest()
    // The first row is chosen from a fixed number of leaders, so it does not depend on how many rows are printed.
    request.leaders = max(settings.top * 3 / 2 + 2, PricingRequest.fewestLeaders)
    // A divided vocabulary is tried for the layouts that are timed, so more of its schedule are kept.
    if !settings.space.vocabularyParallel.isEmpty { request.perSchedule = PricingRequest.fewestLeaders }
    request.byMemory = settings.objective == .memory
    request.keepsFront = settings.wantsFront
    request.usable = usable
    request.threads = settings.threads
    request.progress = progress
    var bar = (settings.slowest ?? .infinity) * (1 + SearchSettings.closedFormError)
    let space: PricedSpace
    if var known = bounds {
        // Taken out, so that adding to it copies nothing.
        bounds = SpaceBounds()
        var limit = MeshPricer.Limit()
        limit.seconds = bar
        if let slowest = settings.slowest, settings.space.ranksByTime(plan) { limit.certain = slowest * (1 + 1e-9) }
        space = priceSpace(settings.space, pricer: pricer, request: request, limit: limit, bounds: &known)
        bounds = known
        if let best = space.leaders.first { bar = min(bar, best.seconds * (1 + SearchSettings.closedFormError)) }
    } else {
        space = priceSpace(settings.space, pricer: pricer, request: request)
    }
    guard space.effort.evaluated > 0 else {
        if bounds != nil { throw .noLayout("no layout is fast enough") }
        throw .noLayout(settings.space.whyEmpty(plan, rejected: space.effort.rejected))
    }
    guard space.effort.feasible > 0 else { throw nothingFits(plan, space, usable, settings, options) }

    let leaders = space.leaders.filter { $0.seconds <= bar }
    let all =
        settings.wantsFastestAlone(plan)
        ? [fastestEstimate(of: leaders, pricer: pricer, settings: settings)].compactMap(\.self)
        : estimates(of: leaders, pricer: pricer, settings: settings)
    var timed = all.filter(\.fitsHost)
    if !settings.space.vocabularyParallel.isEmpty {
        let divided = settings.space.withDividedVocabulary(space.leaders, plan)
        timed += estimates(of: divided, pricer: pricer, settings: settings).filter { $0.peakMemory <= usable }
    }
    timed += settings.space.measuredLayouts(beside: timed, pricer: pricer, settings: settings, usable: usable)
    if timed.isEmpty, !all.isEmpty {
        throw .noLayout("every layout that fits its devices offloads more activations than its hosts hold")
    }
    let ranking = timed.map(\.rankingSeconds)
    // Equal layouts keep the order of the space, so the answer does not depend on which thread was first.
    let order = timed.indices.sorted { one, other in
        let (a, b) = (timed[one], timed[other])
        if settings.objective == .memory, a.peakMemory != b.peakMemory { return a.peakMemory < b.peakMemory }
        return (ranking[one], one) < (ranking[other], other)
    }
    var result = SearchResult(
        candidates: order.prefix(settings.top).map { timed[$0] }, effort: space.effort)
    result.searched = SearchedSpace(settings.space, plan)
    result.own = ownLayout(of: own, settings: settings, options: options, against: result.candidates.first)
    if plan.anchor != nil {
        result.remarks = SearchResult.remarksOnMeasured(timed + [result.own?.estimate].compactMap(\.self))
    }
    if settings.wantsFront {
        let points = estimates(of: thinned(space.front, to: 48), pricer: pricer, settings: settings)
        result.front = Estimate.front(points + timed)
    }
    result.seconds = (clock.now - began).inSeconds
    return result
}

/// The best layouts of a plan that offloads only where nothing fits otherwise (`offload: auto`): those of the first of
/// `Plan.offloadSteps` with which some layout fits.
private func searchOffloading(
    _ plan: Plan, settings: SearchSettings, options: CostOptions, progress: (@Sendable (Double) -> Void)?
) throws(PlannerError) -> SearchResult {
    let steps = plan.offloading(anySoftware: settings.space.anySoftware)
    for (index, tried) in steps.enumerated() {
        var settings = settings
        if index + 1 < steps.count { settings.explainsMisfit = false }
        do throws(PlannerError) {
            return try search(plan: tried, settings: settings, options: options, progress: progress)
        } catch {
            guard case .nothingFits = error, index + 1 < steps.count else { throw error }
        }
    }
    throw .noLayout("there is nothing to try")
}

/// The plan's own layout compared with `best`, its schedule chosen where the plan leaves that open; nil where the plan
/// states no layout or one that cannot be priced.
func ownLayout(
    of plan: Plan, settings: SearchSettings, options: CostOptions, against best: Estimate?
) -> OwnLayout? {
    guard let layout = plan.layout else { return nil }
    let estimate =
        plan.openSchedule == nil
        ? try? price(plan: plan, layout: layout, options: options)
        : try? chooseSchedule(plan: plan, layout: layout, settings: settings, options: options).estimate
    guard let estimate else { return nil }
    let usable = settings.usableMemory * estimate.capacity
    let fits = estimate.fits(within: settings.usableMemory) && estimate.fitsHost
    var verdict = Verdict.verdict(estimate, fits: fits, against: best, usable: usable, isOwn: true)
    let software = estimate.plan.framework(for: estimate.layout).name
    if let other = best.map({ $0.plan.framework(for: $0.layout).name }), other != software {
        verdict += " (priced on \(software), the others on \(other))"
    }
    return OwnLayout(estimate: estimate, fits: fits, verdict: verdict)
}

/// The estimates of layouts, timed by the simulator, in order. A layout that cannot be simulated keeps its closed form.
func estimates(of layouts: [PricedLayout], pricer: Pricer, settings: SearchSettings) -> [Estimate] {
    parallelMap(layouts.count, threads: settings.threads) { index -> Estimate? in
        guard let work = try? pricer.work(layouts[index].layout) else { return nil }
        let simulated = settings.simulates ? try? simulatedEstimate(layouts[index].layout, pricer) : nil
        return simulated ?? Estimate(work, time: IterationTime(work))
    }.compactMap(\.self)
}

/// At most `count` points of the front, evenly spaced, with both ends.
private func thinned(_ front: [PricedLayout], to count: Int) -> [PricedLayout] {
    guard front.count > count, count > 1 else { return front }
    return (0..<count).map { front[$0 * (front.count - 1) / (count - 1)] }
}

private func nothingFits(
    _ plan: Plan, _ space: PricedSpace, _ usable: Double, _ settings: SearchSettings, _ options: CostOptions
) -> PlannerError {
    if let smallest = space.smallest, !smallest.peak.isFinite, let host = plan.cluster.host {
        return .noLayout(
            "every layout offloads more than the \(Figures.gibibytes(host.memoryBytes)) GiB of host memory that a node of "
                + "\(plan.cluster.name) has")
    }
    guard let smallest = space.smallest else {
        return .noLayout(settings.space.whyEmpty(plan, rejected: space.effort.rejected))
    }
    return .nothingFits(
        NothingFits(
            layout: smallest.layout, peak: smallest.peak, usable: usable, device: plan.cluster.device.name,
            devices: plan.devices, groups: plan.cluster.groups == nil ? nil : plan.cluster.deviceWords,
            tried: space.effort.evaluated,
            enough: settings.explainsMisfit
                ? fewestDevices(plan, above: plan.devices, settings: settings, options: options) : nil,
            offload: settings.explainsMisfit ? leastOffload(plan, settings: settings, options: options) : nil))
}

/// The first of `Plan.offloadSteps` with which some layout fits; nil if none does, or if the plan says what is offloaded.
private func leastOffload(_ plan: Plan, settings: SearchSettings, options: CostOptions) -> Layout.Offload? {
    guard plan.offload == nil, settings.space.base(for: plan).offload == nil, plan.cluster.groups == nil else {
        return nil
    }
    let (space, request) = sparing(plan, settings)
    return plan.offloadSteps(anySoftware: settings.space.anySoftware).first { step in
        var tried = plan
        (tried.offload, tried.offloadsIfNeeded) = (step, false)
        guard let pricer = try? Pricer(plan: tried, options: options) else { return false }
        return priceSpace(space, pricer: pricer, request: request).effort.feasible > 0
    }
}

/// The layouts of a space that need least memory, and a request for whether one fits.
func sparing(_ plan: Plan, _ settings: SearchSettings) -> (SearchSpace, PricingRequest) {
    var sparing = settings.space
    sparing.microbatch.most = 1
    sparing.partialRecompute = false
    if sparing.recompute.contains(.full) { sparing.recompute = [.full] }
    var request = PricingRequest()
    request.leaders = 1
    request.perSchedule = 0
    request.usable = settings.usableMemory * plan.cluster.device.memoryBytes
    request.threads = settings.threads
    return (sparing, request)
}

/// The smallest of the `DeviceCounts` above `above` on which some layout of the space fits; nil when 64 times as many
/// devices are too few.
func fewestDevices(
    _ plan: Plan, above: Int, settings: SearchSettings, options: CostOptions
) -> Int? {
    // The groups of a cluster state their devices.
    guard plan.cluster.groups == nil else { return nil }
    let most = above.multipliedReportingOverflow(by: 64)
    let counts = DeviceCounts(plan, space: settings.space)
        .between(above + 1, most.overflow ? .max / 64 : most.partialValue)
    return firstFitting(counts, plan, settings: settings, options: options)
}

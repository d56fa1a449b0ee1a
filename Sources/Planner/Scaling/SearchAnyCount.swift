package import Costs
package import Plans

/// The best layouts of a plan that leaves its layout open, on its devices or, where fewer of them do better, on fewer.
///
/// The devices that train are one of the `DeviceCounts` up to the plan's, the one with the shortest run. That set does
/// not depend on how many devices there are, so a run on more devices never takes longer. Numbers whose `StepBound` is
/// above what another number reaches are not searched; the answer is that of searching them all.
/// - Returns: the layouts of that number; `idleDevices` of their plans says how many are left over.
/// - Throws: as `search` does; `nothingFits` where no number up to the plan's has a layout that fits.
package func searchAnyCount(
    plan: Plan, settings: SearchSettings = SearchSettings(), options: CostOptions = CostOptions(),
    progress: (@Sendable (Double) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    let counts = DeviceCounts(plan, space: settings.space)
    // Degrees that are all fixed, those that already exceed the devices, and a layout beside which others are shown, are a
    // question about this number alone.
    guard !settings.space.fixesDevices, plan.layout == nil, counts.unit <= plan.devices else {
        return try search(plan: plan.using(plan.devices), settings: settings, options: options, progress: progress)
    }
    if let rule = settings.space.contradiction(plan) { throw .contradiction(rule) }
    let clock = ContinuousClock()
    let began = clock.now
    var searcher = CountSearch(plan, settings: settings, options: options, paid: plan.devices)
    let allowed = counts.between(1, plan.devices)
    guard let best = searcher.fastest(among: allowed) else { throw searcher.failure(allowed.last ?? plan.devices) }
    var result = best.result
    if settings.top > 1 || settings.wantsFront || settings.objective == .memory {
        let sized = plan.using(best.devices, of: plan.devices)
        result = try search(plan: sized, settings: settings, options: options, progress: progress)
    }
    // The best number is counted once, whichever search of it is answered with.
    result.effort += searcher.effort - best.result.effort
    result.seconds = (clock.now - began).inSeconds
    return result
}

/// The plan on the devices that `searchAnyCount` uses; as it is, with a batch they divide, where nothing fits.
package func sized(_ plan: Plan, settings: SearchSettings, options: CostOptions = CostOptions()) -> Plan {
    var settings = settings
    settings.top = 1
    settings.explainsMisfit = false
    guard let best = try? searchAnyCount(plan: plan, settings: settings, options: options).candidates.first else {
        return plan.using(plan.devices)
    }
    return plan.using(best.plan.devices, of: plan.devices)
}

package import Costs
package import Plans

/// The best layouts of a plan that leaves its layout open, on the plan's devices or on fewer where fewer end earlier.
///
/// The number of devices that train is the one of the `DeviceCounts` up to the plan's that has the shortest run. That
/// set does not depend on how many devices there are, so a run on more devices never takes longer. A number whose
/// `StepBound` is above the run of another number is not searched; the answer is that of searching all numbers.
/// - Returns: the layouts on that number; `idleDevices` of their plans says how many devices are left over.
/// - Throws: as `search` does; `nothingFits` where no number up to the plan's has a layout that fits.
package func searchBestDeviceCount(
    plan: Plan, settings: SearchSettings = SearchSettings(), options: CostOptions = CostOptions(),
    progress: (@Sendable (Double) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    let counts = DeviceCounts(plan, space: settings.space)
    // The plan's own number alone is searched where all degrees are fixed, where fixed ones exceed the devices, and
    // where the plan states a layout that the others are shown beside.
    // The groups of a cluster state how many there are.
    guard !settings.space.fixesDevices, plan.layout == nil, counts.unit <= plan.devices, plan.cluster.groups == nil
    else {
        return try search(plan: plan.using(plan.devices), settings: settings, options: options, progress: progress)
    }
    if let rule = settings.space.contradiction(plan) { throw .contradiction(rule) }
    let clock = ContinuousClock()
    let began = clock.now
    var searcher = DeviceCountSearch(plan, settings: settings, options: options, paid: plan.devices)
    let allowed = counts.between(1, plan.devices)
    guard let best = searcher.fastest(among: allowed) else { throw searcher.failure(allowed.last ?? plan.devices) }
    var result = best.result
    if settings.top > 1 || settings.wantsFront || settings.objective == .memory {
        let sized = plan.using(best.devices, of: plan.devices)
        result = try search(plan: sized, settings: settings, options: options, progress: progress)
    }
    // The best number may have been searched twice; its effort counts once.
    result.effort += searcher.effort - best.result.effort
    result.seconds = (clock.now - began).inSeconds
    return result
}

/// The plan on the number of devices that `searchBestDeviceCount` finds; on all its devices where nothing fits.
package func onBestDeviceCount(_ plan: Plan, settings: SearchSettings, options: CostOptions = CostOptions()) -> Plan {
    guard plan.cluster.groups == nil else { return plan.using(plan.devices) }
    var settings = settings
    settings.top = 1
    settings.explainsMisfit = false
    guard let best = try? searchBestDeviceCount(plan: plan, settings: settings, options: options).candidates.first
    else {
        return plan.using(plan.devices)
    }
    return plan.using(best.plan.devices, of: plan.devices)
}

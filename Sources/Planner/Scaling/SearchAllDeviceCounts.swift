package import Costs
package import Plans

/// The best layouts over the plan's number of devices and fewer: the cheapest, or those on fewest devices.
///
/// The numbers that are searched are the `DeviceCounts`. Unused devices are not paid for.
/// - Throws: as `searchBestDeviceCount` does on the plan's own number of devices; also when cost is asked for and the
///   cluster states no price.
package func searchAllDeviceCounts(
    plan: Plan, settings: SearchSettings, options: CostOptions = CostOptions(), progress: ((Int) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    if settings.objective == .cost, plan.cluster.pricePerDeviceHour == nil {
        throw .contradiction("\(plan.cluster.name) states no price to rank by; add `price:` to the cluster")
    }
    if settings.objective == .cost, plan.tokens == nil {
        throw .contradiction("the plan states no tokens, so its run has no cost to rank by")
    }
    if let rule = settings.space.contradiction(plan) { throw .contradiction(rule) }
    var inner = settings
    inner.objective = .time
    inner.explainsMisfit = false
    let clock = ContinuousClock()
    let began = clock.now
    var all = SearchResult(candidates: [])
    let counts = DeviceCounts(plan, space: settings.space)
    let sizes = counts.between(1, plan.devices)
    let searcher = DeviceCountSearch(plan, settings: settings, options: options)
    for count in sizes where !searcher.isTooSmall(count) {
        progress?(count)
        guard let found = try? search(plan: plan.open.using(count), settings: inner, options: options) else { continue }
        all.candidates += found.candidates
        all.front += found.front
        all.effort += found.effort
        all.searched = found.searched
        if settings.objective == .devices { break }
    }
    guard !all.candidates.isEmpty else { throw searcher.failure(sizes.last ?? plan.devices) }
    if settings.objective == .cost {
        let order = all.candidates.indices.sorted { one, other in
            let (a, b) = (all.candidates[one].run?.cost ?? .infinity, all.candidates[other].run?.cost ?? .infinity)
            return (a, one) < (b, other)
        }
        all.candidates = order.prefix(settings.top).map { all.candidates[$0] }
    }
    all.own = ownLayout(of: plan, settings: inner, options: options, against: all.candidates.first)
    all.seconds = (clock.now - began).inSeconds
    return all
}

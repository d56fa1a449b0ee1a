package import Costs
package import Plans

/// The best layouts over the plan's number of devices and fewer: the cheapest, or those on fewest devices.
///
/// - Throws: as `search` does on the plan's own number of devices; where cost is asked for, that there is no price.
package func searchCounts(
    plan: Plan, settings: SearchSettings, options: CostOptions = CostOptions(), progress: ((Int) -> Void)? = nil
) throws(PlannerError) -> SearchResult {
    if settings.objective == .cost, plan.cluster.pricePerDeviceHour == nil {
        throw .contradiction("\(plan.cluster.name) states no price to rank by; add `price:` to the cluster")
    }
    if settings.objective == .cost, plan.tokens == nil {
        throw .contradiction("the plan states no tokens, so its run has no cost to rank by")
    }
    var inner = settings
    inner.objective = .time
    let clock = ContinuousClock()
    let began = clock.now
    var all = SearchResult(candidates: [], evaluated: 0, feasible: 0, seconds: 0)
    var counts = DeviceCounts.between(1, plan.devices, node: plan.cluster.devicesPerNode)
    if !counts.contains(plan.devices) { counts.append(plan.devices) }
    var failure: PlannerError?
    for count in counts {
        progress?(count)
        var fewer = plan.open
        fewer.devices = count
        // Why few devices are too few is not asked here: the last, largest number says it.
        inner.explainsMisfit = count == plan.devices
        do throws(PlannerError) {
            let found = try search(plan: fewer, settings: inner, options: options)
            all.candidates += found.candidates
            all.front += found.front
            all.evaluated += found.evaluated
            all.feasible += found.feasible
            all.rejected += found.rejected
            all.pricingSeconds += found.pricingSeconds
            all.searched = found.searched
            if settings.objective == .devices { break }
        } catch { failure = error }
    }
    guard !all.candidates.isEmpty else {
        throw failure ?? .noLayout("nothing fits on \(plan.devices) devices or fewer")
    }
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

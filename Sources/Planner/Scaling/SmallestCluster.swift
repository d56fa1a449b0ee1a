package import Costs
package import Plans

/// The fewest devices, at most `most`, on which some layout of a plan fits; nil: on none of those numbers.
///
/// Numbers on which weights and optimizer alone are too large need no search. On the others every layout is priced that may
/// need least memory.
package func fewestDevices(
    _ plan: Plan, upTo most: Int, settings: SearchSettings = SearchSettings(), options: CostOptions = CostOptions()
) -> Int? {
    var plan = plan.open
    plan.remarks = []
    let counts = DeviceCounts(plan, space: settings.space).between(1, most)
    return firstFitting(counts, plan, settings: settings, options: options)
}

/// The first of `counts` on which some layout of the space fits; nil if there is none.
func firstFitting(_ counts: [Int], _ plan: Plan, settings: SearchSettings, options: CostOptions) -> Int? {
    let (sparing, request) = sparing(plan, settings)
    let state = StepBound.state(plan, space: settings.space)
    for count in counts where state <= request.usable * Double(count) {
        guard let pricer = try? Pricer(plan: plan.using(count), options: options) else { return nil }
        if priceSpace(sparing, pricer: pricer, request: request).effort.feasible > 0 { return count }
    }
    return nil
}

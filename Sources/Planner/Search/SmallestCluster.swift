package import Costs
internal import Models
package import Plans
internal import Schedules

/// The fewest devices, at most `most`, on which some layout of a plan fits; nil: none was found.
///
/// Tried are layouts of the kind that needs least memory: parameters sharded among all copies, or one copy; every block
/// recomputed, one sequence at a time, on software that can run them. Numbers on which weights and optimizer alone are too large are left
/// out. From the others steps are taken that double until something fits, and the numbers of the last step are tried one by
/// one. A number between earlier steps that happens to divide better is not seen.
package func fewestDevices(
    _ plan: Plan, upTo most: Int, settings: SearchSettings = SearchSettings(), options: CostOptions = CostOptions()
) -> Int? {
    var plan = plan.open
    plan.remarks = []
    var settings = settings
    settings.space.keepLeastMemory(plan)
    let (space, request) = sparing(plan, settings)
    let state = StepBound.state(plan, space: settings.space)
    let counts = DeviceCounts(plan, space: settings.space).between(1, most)
        .filter { state <= request.usable * Double($0) }
    var first: Pricer?
    func fits(_ count: Int) -> Bool {
        let plan = plan.using(count)
        let pricer = first.map { try? Pricer(plan: plan, like: $0) } ?? (try? Pricer(plan: plan, options: options))
        guard let pricer else { return false }
        first = first ?? pricer
        return priceSpace(space, pricer: pricer, request: request).effort.feasible > 0
    }
    // Steps that double until something fits; then every number of the last step, since degrees divide some and not others.
    var (passed, place, step) = (-1, 0, 1)
    while place < counts.count, !fits(counts[place]) {
        (passed, place) = (place, place + step)
        step *= 2
    }
    return counts[(passed + 1)..<min(place + 1, counts.count)].first(where: fits)
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

extension SearchSpace {
    /// Leaves the layouts that need least memory.
    fileprivate mutating func keepLeastMemory(_ plan: Plan) {
        anySoftware = true
        // One copy has nothing to shard.
        (sharding, recompute, hybridSharding, partialRecompute) = ([.none, .parameters], [.full], false, false)
        (schedules, virtualStages.fixed) = ([.oneForwardOneBackward], 1)
        (contextExchanges, expertTensor.fixed) = ([.ring], 1)
        // Only long sequences are divided: a device holds the activations of few tokens otherwise.
        if plan.model.sequence <= 1 << 15 { context.fixed = 1 } else { context.most = 16 }
        tensor.most = min(tensor.most ?? .max, max(1, plan.cluster.innerReach))
        pipeline.most = min(pipeline.most ?? .max, 16)
    }
}

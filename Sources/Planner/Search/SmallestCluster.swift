package import Costs
package import Plans
internal import Schedules

/// The fewest devices, at most `most`, on which some layout of a plan fits; nil: none was found.
///
/// Tried are layouts of the kind that needs least memory: parameters sharded among all copies, or one copy; every block
/// recomputed, one sequence at a time, on software that can run them.
package func fewestDevices(
    _ plan: Plan, upTo most: Int, settings: SearchSettings = SearchSettings(), options: CostOptions = CostOptions()
) -> Int? {
    var plan = plan.open
    plan.remarks = []
    var settings = settings
    settings.space.keepLeastMemory(plan)
    let counts = DeviceCounts(plan, space: settings.space).between(1, most)
    return firstFitting(counts, plan, settings: settings, options: options)
}

/// The first of `counts` on which some layout of the space fits; nil if there is none.
///
/// All are tried in order, since degrees divide some and not others. Numbers on which weights and optimizer alone are too
/// large, and meshes that a bound of their memory rules out, are not priced.
func firstFitting(_ counts: [Int], _ plan: Plan, settings: SearchSettings, options: CostOptions) -> Int? {
    let (space, request) = sparing(plan, settings)
    let state = StepBound.state(plan, space: settings.space)
    var bounds = SpaceBounds()
    return counts.first { count in
        guard state <= request.usable * Double(count),
            let pricer = try? bounds.pricer(plan.using(count), options)
        else { return false }
        return anyFits(space, pricer: pricer, request: request, bounds: &bounds)
    }
}

extension SearchSpace {
    /// Leaves the layouts that need least memory.
    fileprivate mutating func keepLeastMemory(_ plan: Plan) {
        anySoftware = true
        // One copy has nothing to shard.
        (sharding, recompute, hybridSharding, partialRecompute) = ([.none, .parameters], [.full], false, false)
        (schedules, virtualStages.fixed) = ([.oneForwardOneBackward], 1)
        (contextExchanges, expertTensor.fixed) = ([.ring], 1)
        context.most = 16
        tensor.most = min(tensor.most ?? .max, max(1, plan.cluster.innerReach))
        pipeline.most = min(pipeline.most ?? .max, 16)
    }
}

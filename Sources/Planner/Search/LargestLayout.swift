package import Costs
package import Plans

extension SearchSpace {
    /// The layouts that the runtime may run: what it has only one way for is fixed.
    package static var ofARun: SearchSpace {
        var space = SearchSpace()
        space.anySoftware = true
        space.base.overlap = Layout.overlapOfARun
        space.hybridSharding = false
        space.partialRecompute = false
        space.contextExchanges = [.ring]
        // Short sequences are for tests; a run is not limited to long ones.
        space.fewestContextTokens = 1
        return space
    }
}

/// More processes than a run has; trying each number from a million down would take minutes.
private let mostProcesses = 16_384

/// The fastest layout of a plan on the largest number of devices, `most` or fewer, on which one fits. The batch stays the plan's.
/// - Parameter accepts: whether a layout can be run.
/// - Throws: why nothing fits on any number.
package func largestLayout(
    of plan: Plan, atMost most: Int, space: SearchSpace = .ofARun, accepts: (Plan, Layout) -> Bool
) throws(PlannerError) -> Estimate {
    var plan = plan
    (plan.layout, plan.openSchedule, plan.wantedBatch, plan.idleDevices) = (nil, nil, nil, 0)
    var settings = SearchSettings()
    settings.space = space
    settings.explainsMisfit = false
    // The fastest may be ones that cannot be run.
    settings.top = 64
    var isRunnable = true
    let most = min(most, mostProcesses)
    for count in stride(from: most, through: 1, by: -1) {
        plan.devices = count
        do throws(PlannerError) {
            let found = try search(plan: plan, settings: settings)
            if let first = found.candidates.first(where: { accepts($0.plan, $0.layout) }) { return first }
            isRunnable = false
        } catch {
            // Fewer devices may divide what these do not.
            continue
        }
    }
    // The largest number says the most about why nothing fits.
    plan.devices = most
    settings.explainsMisfit = true
    if isRunnable { _ = try search(plan: plan, settings: settings) }
    throw .noLayout("the layouts that fit are none of the runtime's")
}

internal import Costs
internal import Planner
internal import Plans
internal import Reports

/// The layout a command goes on with: the plan's own, or the fastest where the plan leaves it or its schedule open.
struct ChosenLayout {
    let layout: Layout
    /// What it costs; nil for a layout the plan states.
    let estimate: Estimate?
    /// How it was found, a line each.
    let found: [String]
    /// What it was chosen from.
    let searched: SearchedSpace?

    init(plan: Plan, searching: Bool = false, settings: SearchSettings) throws {
        guard let given = plan.layout, !searching else {
            var settings = settings
            // The first is all that is asked for.
            settings.top = 1
            let result = try searchAnyCount(plan: plan, settings: settings)
            guard var best = result.candidates.first else {
                throw PlannerError.noLayout("no layout of \(plan.name) could be timed")
            }
            best.plan.remarks = plan.remarks
            (layout, estimate, searched) = (best.layout, best, result.searched)
            found = SearchReport(result).summaryLines
            return
        }
        guard plan.openSchedule != nil else {
            (layout, estimate, found, searched) = (given, nil, [], nil)
            return
        }
        let choice = try chooseSchedule(plan: plan, layout: given, settings: settings)
        (layout, estimate) = (choice.estimate.layout, choice.estimate)
        let space = SearchedSpace(settings.space, plan, layout: given)
        (found, searched) = ([choice.summary, space.description], space)
    }
}

internal import Costs
internal import Planner
internal import Plans
internal import Reading
internal import Reports

/// The layout that a command uses: the plan's own, or the fastest where the plan leaves the layout or its schedule
/// open.
struct ChosenLayout {
    let layout: Layout
    /// The layout's estimate; nil where the plan states the layout.
    let estimate: Estimate?
    /// Lines that say how the layout was found.
    let found: [String]
    /// The layouts that a search tried; nil where the plan states the layout.
    let searched: SearchedSpace?
    /// The plan's own layout beside the best; nil where there is none, or no search.
    private(set) var own: OwnLayout?
    /// Remarks on the ranking of the layouts that a search tried.
    private(set) var remarks: [Remark] = []

    init(plan: Plan, searching: Bool = false, settings: SearchSettings) throws {
        guard let given = plan.layout, !searching else {
            var settings = settings
            // Only the best layout is needed.
            settings.top = 1
            let result = try searchBestDeviceCount(plan: plan, settings: settings)
            guard var best = result.candidates.first else {
                throw PlannerError.noLayout("no layout of \(plan.name) could be timed")
            }
            best.plan.remarks = plan.remarks
            (remarks, own) = (result.remarks, result.own)
            (layout, estimate, searched) = (best.layout, best, result.searched)
            found = SearchReport(result).summaryLines + [result.own?.line].compactMap(\.self)
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

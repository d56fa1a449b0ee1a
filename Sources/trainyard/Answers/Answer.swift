internal import ArgumentParser
internal import Costs
internal import Output
internal import Planner
internal import Plans
internal import Reading
internal import Reports
internal import Schedules
internal import Simulator

/// A priced plan, and how it is printed.
struct Answer {
    let estimate: Estimate
    /// Lines that say how the layout was found; empty where the plan states it.
    let found: [String]
    /// The layouts that a search tried; nil where the plan states its layout.
    let searched: SearchedSpace?
    /// The plan's own layout beside the best of a search.
    private let own: OwnLayout?
    /// Remarks that were printed before the plan was priced.
    private let seen: [Remark]

    /// Prices the plan's layout, or searches for one.
    init(plan: Plan, searching: Bool, settings: SearchSettings) throws {
        let plan = try plan.anchored()
        let choice = try ChosenLayout(plan: plan, searching: searching, settings: settings)
        seen = plan.firmRemarks
        (searched, own) = (choice.searched, choice.own)
        found = choice.found
        var estimate = try (choice.estimate ?? price(plan: plan, layout: choice.layout)).besideOtherSoftware()
        estimate.plan.remarks +=
            try estimate.defaultRemarks(isSearched: searching || plan.layout == nil) + estimate.anchorRemarks()
            + choice.remarks
        self.estimate = estimate
    }

    /// Prints the answer; throws the exit code of a plan that does not fit.
    /// - Parameter hint: the line behind an answer that fits, for people.
    func print(
        _ output: OutputOptions, risk options: RiskOptions, hint: ((Estimate) -> String)? = nil
    ) throws {
        let priced = estimate
        let risk = try options.report(priced)
        Console.notes(priced.notes.filter { !seen.contains($0) })
        if let path = output.writePlan { try PlanFile.write(priced, to: path) }
        let estimate = output.explain ? try priced.explained() : priced
        if output.json {
            try Console.print(
                EstimateReport(
                    estimate, explained: output.explain, searched: searched, own: own, notes: estimate.notes,
                    risk: risk
                ).json())
        } else {
            let text = EstimateText(estimate, found: found, width: output.columns, isColoured: Console.isColoured)
            try Console.print(Wrapped.fitted(text.text(), width: output.lineWidth))
            if let drawing = try pipelineDrawing(width: output.columns) {
                try Console.print("\n" + drawing, terminator: "")
            }
            if let risk {
                try Console.print("\n" + Wrapped.fitted(risk.lines.joined(separator: "\n"), width: output.lineWidth))
            }
            if output.explain { try Console.print("\n" + ExplanationText(estimate, width: output.columns).text()) }
            if let hint, estimate.fits {
                try Console.print("\n" + Wrapped.fitted(hint(estimate), width: output.lineWidth))
            }
        }
        guard estimate.fits else {
            let cluster = estimate.plan.cluster
            let place =
                estimate.fitsDevice
                ? "of a node's host in \(cluster.name), which what is offloaded needs" : "of \(estimate.tightestDevice)"
            Console.error(
                "the plan does not fit in the memory \(place); "
                    + "`trainyard plan FILE --search` looks for a layout that does")
            throw ExitCode(Failure.doesNotFit)
        }
    }

    /// A drawing of the pipeline over one step, or over fewer micro-batches where it would be illegible; nil without a
    /// pipeline.
    private func pipelineDrawing(width: Int) throws -> String? {
        let layout = estimate.layout
        guard layout.pipeline > 1 else { return nil }
        // Interleaved schedules take micro-batches in groups of the pipeline's ranks.
        let legible = 2 * layout.pipeline
        let drawn = estimate.microbatches <= 8 * layout.pipeline ? estimate.microbatches : legible
        let schedule = try layout.schedule.schedule(layout.pipelineShape(microbatches: drawn))
        var timeline = try Simulator.simulate(
            schedule, costs: ActionCosts(Pricer(plan: estimate.plan).work(of: estimate)))
        timeline.name = layout.scheduleWords
        timeline.places = estimate.placesOfRanks
        let title =
            drawn == estimate.microbatches
            ? "The pipeline over one step, \(drawn) micro-batches"
            : "The pipeline, shown with \(drawn) of a step's \(estimate.microbatches) micro-batches"
        return title + "\n" + TimelineText(width: width, rows: 16, isColoured: Console.isColoured).drawing(of: timeline)
    }
}

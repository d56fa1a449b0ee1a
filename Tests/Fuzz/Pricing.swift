import Costs
import Numbers
import Planner
import Plans
import Reports
import Schedules

/// Computes everything that commands compute from a plan.
enum Pricing {
    /// Actions of a step that are simulated every time; more only now and then.
    private static let fewActions = 2000

    static func price(_ plan: Plan, _ random: inout SplitMix64) -> Outcome {
        do throws(PlannerError) {
            if let layout = plan.layout, let open = plan.openSchedule {
                if actions(layout, plan) <= fewActions || random.once(in: 500) {
                    report(try chooseSchedule(plan: plan, layout: layout, open: open).estimate, &random)
                }
            } else if let layout = plan.layout {
                try priceLayout(plan, layout, &random)
            } else {
                try searchSome(plan, &random)
            }
            return Outcome(parsed: true, accepted: true)
        } catch {
            // Priced and found too large, or without a layout: an answer too, with words.
            return Outcome(parsed: true, accepted: true, messages: [error.description])
        }
    }

    private static func actions(_ layout: Layout, _ plan: Plan) -> Int {
        let slice = Int.product(layout.data, layout.microbatch) ?? .max
        return Int.product(3, layout.pipeline, layout.virtualStages, max(1, plan.batch / max(1, slice))) ?? .max
    }

    private static func priceLayout(_ plan: Plan, _ layout: Layout, _ random: inout SplitMix64) throws(PlannerError) {
        let isSmall = actions(layout, plan) <= fewActions
        guard isSmall || random.once(in: 500) else {
            do throws(CostError) {
                let work = try Pricer(plan: plan).work(layout)
                report(Estimate(work, time: IterationTime(work)), &random)
            } catch { throw .cost(error) }
            return
        }
        report(try Planner.price(plan: plan, layout: layout), &random)
        guard isSmall, random.once(in: 8) else { return }
        let step = try predictedIteration(plan: plan, layout: layout)
        _ = TimelineText().drawing(of: step.timeline)
        if random.once(in: 4) { _ = TimelineSVG().drawing(of: step.timeline) }
        if random.once(in: 4) { _ = step.timeline.chromeTrace() }
    }

    private static func searchSome(_ plan: Plan, _ random: inout SplitMix64) throws(PlannerError) {
        // The whole space now and then.
        let isWhole = random.once(in: 500)
        guard isWhole || plan.devices <= 512 && random.once(in: 4) else { return }
        var settings = SearchSettings()
        settings.top = 2
        settings.threads = 1
        settings.explainsMisfit = isWhole
        settings.space.anySoftware = random.once(in: 2)
        if !isWhole {
            settings.space.schedules = [.oneForwardOneBackward]
            settings.space.partialRecompute = false
            settings.space.hybridSharding = false
            settings.space.microbatch.most = 2
            settings.space.recompute = [.full, .none]
            settings.simulates = random.once(in: 8)
        }
        settings.wantsFront = isWhole && random.once(in: 2)
        let result = try search(plan: plan, settings: settings)
        _ = SearchReport(result).text()
        if let best = result.candidates.first { report(best, &random) }
    }

    private static func report(_ estimate: Estimate, _ random: inout SplitMix64) {
        if random.once(in: 16) { _ = try? EstimateReport(estimate, explained: true).json() }
        if random.once(in: 16) { _ = EstimateText(estimate).text() }
        if random.once(in: 32) { _ = ExplanationText(estimate).text() }
    }
}

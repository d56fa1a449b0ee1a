package import Costs
package import Plans
internal import Schedules
internal import Simulator

/// Schedules with more actions than this are priced by closed form alone.
let mostSimulatedActions = 1 << 21

/// The price of one plan with one layout. The simulator times the pipeline; closed forms give everything else.
///
/// A pipeline of one rank, or one of more than two million actions, keeps the closed form.
package func price(
    plan: Plan, layout: Layout, options: CostOptions = CostOptions()
) throws(PlannerError) -> Estimate {
    let pricer: Pricer
    do throws(CostError) { pricer = try Pricer(plan: plan, options: options) } catch { throw .cost(error) }
    return try simulatedEstimate(layout, pricer)
}

/// The estimate of a layout whose pipeline the simulator times, with the overlap that makes the step shortest.
func simulatedEstimate(_ layout: Layout, _ pricer: Pricer) throws(PlannerError) -> Estimate {
    let works: [LayoutWork]
    do throws(CostError) { works = try pricer.works(layout) } catch { throw .cost(error) }
    let times = try simulatedTimes(works)
    var best = 0
    for place in works.indices where times[place].seconds < times[best].seconds { best = place }
    return Estimate(works[best], time: times[best])
}

/// Whether the simulator times pipelines of this shape.
func isSimulated(_ shape: PipelineShape) -> Bool {
    shape.ranks > 1 && shape.ranks * shape.virtualStages * shape.microbatches * 2 <= mostSimulatedActions
}

/// Time of one step whose pipeline the simulator times.
func simulatedTime(_ work: LayoutWork) throws(PlannerError) -> IterationTime { try simulatedTimes([work])[0] }

/// Times of one step with each of several works of one layout, whose pipeline the simulator times.
func simulatedTimes(_ works: [LayoutWork]) throws(PlannerError) -> [IterationTime] {
    guard let first = works.first, isSimulated(first.shape) else { return works.map { IterationTime($0) } }
    let schedule: Schedule
    do throws(ScheduleProblem) { schedule = try first.layout.schedule.schedule(first.shape) } catch {
        throw .cost(.badLayout(error.rule))
    }
    return try simulatedTimes(works, schedule)
}

/// Time of one step that runs the action lists of `schedule`.
func simulatedTime(_ work: LayoutWork, _ schedule: Schedule) throws(PlannerError) -> IterationTime {
    try simulatedTimes([work], schedule)[0]
}

/// Times of one step with each of several works, all of which run the action lists of `schedule`.
private func simulatedTimes(_ works: [LayoutWork], _ schedule: Schedule) throws(PlannerError) -> [IterationTime] {
    let costs = works.flatMap { work -> [ActionCosts] in
        let costs = ActionCosts(work)
        var immediate = costs
        (immediate.transfer, immediate.transfers) = (0, nil)
        immediate.vocabulary = costs.vocabulary?.withoutExchanges
        return [costs, immediate]
    }
    do throws(SimulationProblem) {
        let ends = try Simulator.makespans(schedule, costs: costs)
        return works.enumerated().map { IterationTime($1, filled: ends[2 * $0 + 1], span: ends[2 * $0]) }
    } catch { throw .simulation(error) }
}

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
    var best = (work: works[0], time: try simulatedTime(works[0]))
    for work in works.dropFirst() {
        let time = try simulatedTime(work)
        if time.seconds < best.time.seconds { best = (work, time) }
    }
    return Estimate(best.work, time: best.time)
}

/// Time of one step whose pipeline the simulator times.
func simulatedTime(_ work: LayoutWork) throws(PlannerError) -> IterationTime {
    let shape = work.shape
    guard shape.ranks > 1, shape.ranks * shape.virtualStages * shape.microbatches * 2 <= mostSimulatedActions else {
        return IterationTime(work)
    }
    let schedule: Schedule
    do throws(ScheduleProblem) { schedule = try work.layout.schedule.schedule(shape) } catch {
        throw .cost(.badLayout(error.rule))
    }
    return try simulatedTime(work, schedule)
}

/// Time of one step that runs the action lists of `schedule`.
func simulatedTime(_ work: LayoutWork, _ schedule: Schedule) throws(PlannerError) -> IterationTime {
    let costs = ActionCosts(work)
    var immediate = costs
    (immediate.transfer, immediate.transfers) = (0, nil)
    immediate.vocabulary = costs.vocabulary?.withoutExchanges
    do throws(SimulationProblem) {
        let times = try Simulator.makespans(schedule, costs: [costs, immediate])
        return IterationTime(work, filled: times[1], span: times[0])
    } catch { throw .simulation(error) }
}

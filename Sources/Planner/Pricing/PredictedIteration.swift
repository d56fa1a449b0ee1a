package import Costs
package import Plans
package import Schedules
package import Simulator

/// The prediction of one training step of a plan, with its timeline.
package struct PredictedIteration: Sendable {
    package var schedule: Schedule
    /// Spans in seconds: the simulated pipeline, then on every rank the exposed gradient communication and the
    /// optimizer. The timeline lasts as long as the priced step.
    package var timeline: Timeline
    package var estimate: Estimate
    /// Seconds of every action.
    package var costs: ActionCosts
    /// Seconds of the pipeline alone, without disturbances.
    package var pipeline: Double
    /// Seconds between the end of the pipeline and the end of the step.
    package var outside: Double
}

/// The predicted timeline of one training step, one rank of every pipeline stage.
/// - Parameter disturbance: slow ranks and random delays of the pipeline; communication and optimizer after it are not
///   disturbed.
/// - Throws: the rule that the layout breaks, or that its action lists are too long to draw.
package func predictedIteration(
    plan: Plan, layout: Layout, options: CostOptions = CostOptions(), disturbance: Disturbance = Disturbance()
) throws(PlannerError) -> PredictedIteration {
    let estimate = try price(plan: plan, layout: layout, options: options)
    let schedule: Schedule
    do throws(ScheduleProblem) {
        schedule = try layout.schedule.schedule(layout.pipelineShape(microbatches: estimate.microbatches))
    } catch { throw .cost(.badLayout(error.rule)) }
    let costs: ActionCosts
    do throws(CostError) { costs = try ActionCosts(Pricer(plan: plan, options: options).work(of: estimate)) } catch {
        throw .cost(error)
    }
    return try predictedIteration(
        plan: plan, schedule: schedule, costs: costs, estimate: estimate, disturbance: disturbance)
}

/// The predicted timeline of one training step that runs the lists of `schedule`.
func predictedIteration(
    plan: Plan, schedule: Schedule, costs: ActionCosts, estimate: Estimate, disturbance: Disturbance
) throws(PlannerError) -> PredictedIteration {
    var timeline: Timeline
    let undisturbed: Double
    do throws(SimulationProblem) {
        timeline = try Simulator.simulate(schedule, costs: costs, disturbance: disturbance)
        undisturbed = try Simulator.makespan(schedule, costs: costs)
    } catch {
        throw .simulation(error)
    }
    let pipeline = timeline.makespan
    let optimizer = estimate.iteration.breakdown.optimizer
    let collectives = max(0, estimate.iteration.seconds - undisturbed - optimizer)
    for rank in timeline.ranks.indices {
        if collectives > 0 {
            timeline.ranks[rank].append(
                Timeline.Span(.collective, start: pipeline, end: pipeline + collectives))
        }
        if optimizer > 0 {
            timeline.ranks[rank].append(
                Timeline.Span(.optimizer, start: pipeline + collectives, end: pipeline + collectives + optimizer))
        }
    }
    timeline.name = "\(plan.name) (predicted)"
    timeline.places = estimate.placesOfRanks
    return PredictedIteration(
        schedule: schedule, timeline: timeline, estimate: estimate, costs: costs, pipeline: undisturbed,
        outside: collectives + optimizer)
}

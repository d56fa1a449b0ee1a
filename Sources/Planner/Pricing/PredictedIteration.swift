package import Costs
package import Plans
package import Schedules
package import Simulator

/// One training step of a plan as predicted, drawn out in time.
package struct PredictedIteration: Sendable {
    package var schedule: Schedule
    /// Seconds. The pipeline as simulated, and after it on every rank the gradient communication that nothing hides and
    /// the optimizer, so that the timeline lasts as long as the step is priced.
    package var timeline: Timeline
    package var estimate: Estimate
    /// What the actions take, seconds.
    package var costs: ActionCosts
    /// Seconds of the pipeline alone, undisturbed.
    package var pipeline: Double
    /// Seconds after the pipeline.
    package var outside: Double
}

/// The predicted timeline of one training step, one rank of every pipeline stage.
/// - Parameter disturbance: Slow ranks and random delays of the pipeline; what follows it takes what it always does.
/// - Throws: what makes the layout impossible to price, or its lists too long to draw.
package func predictedIteration(
    plan: Plan, layout: Layout, options: CostOptions = CostOptions(), disturbance: Disturbance = Disturbance()
) throws(PlannerError) -> PredictedIteration {
    let estimate = try price(plan: plan, layout: layout, options: options)
    let schedule: Schedule
    do throws(ScheduleProblem) {
        schedule = try layout.schedule.schedule(
            ranks: layout.pipeline, virtualStages: layout.virtualStages, microbatches: estimate.microbatches)
    } catch { throw .cost(.badLayout(error.rule)) }
    let costs: ActionCosts
    do throws(CostError) { costs = try Pricer(plan: plan, options: options).work(of: estimate).actionCosts } catch {
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
    return PredictedIteration(
        schedule: schedule, timeline: timeline, estimate: estimate, costs: costs, pipeline: undisturbed,
        outside: collectives + optimizer)
}

internal import Costs
internal import Planner
internal import Plans
internal import Reports
internal import Schedules
internal import Simulator

/// One schedule, timed: of a plan, or with relative costs.
struct SimulatedPipeline {
    var schedule: Schedule
    var timeline: Timeline
    var unit: TimelineUnit
    /// Lines above the drawing.
    var heading: [String]
    /// Bytes of the fullest device; nil where no plan says.
    var memory: Double?
    var stepTimes: StepTimesReport?

    var entry: ScheduleComparison.Entry {
        ScheduleComparison.Entry(schedule: schedule, timeline: timeline, memory: memory, stepTimes: stepTimes)
    }

    /// A schedule with relative costs.
    init(_ schedule: Schedule, bare: BarePipelineOptions, disturbance: DisturbanceOptions) throws {
        let costs = try bare.actionCosts(stages: schedule.stages, ranks: schedule.ranks)
        let tail = try bare.tail(stages: schedule.stages, ranks: schedule.ranks)
        do throws(SimulationProblem) {
            timeline = try Simulator.simulate(
                schedule, costs: costs, tail: tail, disturbance: try Self.disturbance(disturbance))
        } catch {
            throw Self.input(error, schedule)
        }
        let undisturbed =
            disturbance.isDisturbed ? try Simulator.simulate(schedule, costs: costs, tail: tail).duration : 0
        stepTimes = try disturbance.report(schedule, costs: costs, tail: tail, outside: 0, undisturbed: undisturbed)
        self.schedule = schedule
        unit = .steps
        heading = []
    }

    private static func disturbance(_ options: DisturbanceOptions) throws(SimulationProblem) -> Disturbance {
        do { return try options.disturbance() } catch { throw .costs("\(error)") }
    }

    private static func input(_ problem: SimulationProblem, _ schedule: Schedule) -> any Error {
        if case .schedule(let violation) = problem { return Failure.input(schedule.words(violation)) }
        return Failure.input(problem.description)
    }

    /// The step of a plan.
    init(plan: Plan, layout: Layout, found: [String], disturbance: DisturbanceOptions) throws {
        let predicted = try predictedIteration(plan: plan, layout: layout, disturbance: try disturbance.disturbance())
        schedule = predicted.schedule
        timeline = predicted.timeline
        unit = .seconds
        memory = predicted.estimate.peakMemory
        stepTimes = try disturbance.report(
            schedule, costs: predicted.costs, tail: nil, outside: predicted.outside,
            undisturbed: predicted.pipeline)
        let copies = plan.devices / layout.pipeline
        let stages = layout.virtualStages == 1 ? "" : " × \(layout.virtualStages) stages"
        let split =
            "\(layout.schedule.rawValue) · tensor \(layout.tensor) · pipeline \(layout.pipeline)\(stages) · "
            + "data \(layout.data) · \(predicted.estimate.microbatches) micro-batches of \(layout.microbatch)"
        heading = found + [split + (copies > 1 ? " · each rank stands for \(copies) devices" : "")]
    }
}

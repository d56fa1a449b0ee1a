internal import Costs
internal import Planner
internal import Plans
internal import Reports
internal import Schedules
internal import Simulator

/// A simulated pipeline: the step of a plan, or a schedule with relative costs.
struct SimulatedPipeline {
    var schedule: Schedule
    var timeline: Timeline
    var unit: TimelineUnit
    /// Lines that are printed above the drawing.
    var heading: [String]
    /// Bytes of the fullest device; nil without a plan.
    var memory: Double?
    var stepTimes: StepTimesReport?
    /// The estimate of the plan's step; nil without a plan.
    var estimate: Estimate?
    /// The layouts that a search tried; nil without a search.
    var searched: SearchedSpace?

    var entry: ScheduleComparison.Entry {
        ScheduleComparison.Entry(schedule: schedule, timeline: timeline, memory: memory, stepTimes: stepTimes)
    }

    /// Simulates a schedule with relative costs.
    /// - Parameter file: the file that its action lists were read from; nil: none.
    init(
        _ schedule: Schedule, bare: BarePipelineOptions, disturbance: DisturbanceOptions, file: String? = nil
    ) throws {
        let costs = try bare.actionCosts(stages: schedule.stages, ranks: schedule.ranks)
        let tail = try bare.tail(stages: schedule.stages, ranks: schedule.ranks)
        do throws(SimulationProblem) {
            timeline = try Simulator.simulate(
                schedule, costs: costs, tail: tail, disturbance: try Self.disturbance(disturbance))
        } catch {
            throw Self.input(error, schedule, file)
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

    private static func input(_ problem: SimulationProblem, _ schedule: Schedule, _ file: String?) -> any Error {
        if case .schedule(let violation) = problem {
            return Failure.input((file.map { "\($0): " } ?? "") + schedule.words(violation))
        }
        return Failure.input(problem.description)
    }

    /// Simulates the step of a plan.
    init(plan: Plan, layout: Layout, found: [String], disturbance: DisturbanceOptions) throws {
        try self.init(
            predictedIteration(plan: plan, layout: layout, disturbance: try disturbance.disturbance()), plan: plan,
            found: found, disturbance: disturbance)
    }

    /// Simulates the step of a plan with the best action lists that a search finds for its layout.
    init(
        optimal plan: Plan, layout: Layout, virtualStages: Int?, found: [String], disturbance: DisturbanceOptions,
        oneDirection: Bool = false
    ) throws {
        let best = try optimalIteration(
            plan: plan, layout: layout, virtualStages: virtualStages, disturbance: try disturbance.disturbance(),
            oneDirection: oneDirection)
        try self.init(best.iteration, plan: plan, found: found + [best.remark], disturbance: disturbance)
    }

    private init(
        _ predicted: PredictedIteration, plan: Plan, found: [String], disturbance: DisturbanceOptions
    ) throws {
        schedule = predicted.schedule
        timeline = predicted.timeline
        unit = .seconds
        memory = predicted.estimate.peakMemory
        stepTimes = try disturbance.report(
            schedule, costs: predicted.costs, tail: nil, outside: predicted.outside,
            undisturbed: predicted.pipeline)
        let layout = predicted.estimate.layout
        let copies = plan.devices / layout.pipeline
        let stages = layout.virtualStages == 1 ? "" : " × \(layout.virtualStages) stages"
        let split =
            "\(schedule.title) · tensor \(layout.tensor) · pipeline \(layout.pipeline)\(stages) · "
            + "data \(layout.data) · \(predicted.estimate.microbatches) micro-batches of \(layout.microbatch)"
        heading =
            found + [
                split + (copies > 1 ? " · each rank stands for \(copies) devices" : ""),
                "software: \(EstimateText.software(predicted.estimate))",
            ]
        estimate = predicted.estimate
    }
}

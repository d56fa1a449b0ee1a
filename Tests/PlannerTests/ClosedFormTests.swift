import Costs
import Models
import Planner
import Plans
import Schedules
import Simulator
import Testing

/// The closed form that the search ranks with against the simulator that confirms.
@Suite struct ClosedFormTests {
    /// Time of the pipeline by closed form and by simulation: of the schedule's own law, with the first stage's times on
    /// every stage, or of the whole price with the stages as they are.
    private func makespans(_ layout: Layout, plan: Plan, equalStages: Bool) throws -> (closed: Double, real: Double) {
        let work = try Pricer(plan: plan).work(layout)
        var costs = ActionCosts(work)
        if equalStages {
            for stage in costs.forward.indices {
                costs.forward[stage] = costs.forward[0]
                costs.backwardInput[stage] = costs.backwardInput[0]
                costs.backwardWeight[stage] = costs.backwardWeight[0]
                costs.backward[stage] = costs.backward[0]
            }
        }
        let schedule = try layout.schedule.schedule(work.shape)
        let real = try Simulator.makespan(schedule, costs: costs)
        if equalStages {
            let v = Double(layout.virtualStages)
            let times = UniformTimes(
                forward: v * costs.forward[0], backward: v * costs.backward[0], transfer: costs.transfer)
            return (layout.schedule.makespan(work.shape, times: times), real)
        }
        // Everything of the iteration but what happens outside the pipeline.
        let time = IterationTime(work)
        let outside =
            DataParallelTime(work).exposed + OptimizerTime(work).seconds + OptimizerTime(work).gradientNorm
            + plan.framework(for: layout).hostStep
        let span = time.seconds - outside - WaitingTime(work).seconds
        return (span, real)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var schedule: ScheduleName
        var pipeline: Int
        var virtualStages: Int
        var microbatches: Int

        var testDescription: String { "\(schedule.rawValue) p\(pipeline) v\(virtualStages) m\(microbatches)" }
    }

    static let grid: [Case] = [2, 4, 8].flatMap { pipeline in
        [pipeline, 2 * pipeline, 8 * pipeline].flatMap { count in
            [
                Case(schedule: .gpipe, pipeline: pipeline, virtualStages: 1, microbatches: count),
                Case(schedule: .oneForwardOneBackward, pipeline: pipeline, virtualStages: 1, microbatches: count),
                Case(schedule: .interleaved, pipeline: pipeline, virtualStages: 2, microbatches: count),
                Case(schedule: .interleaved, pipeline: pipeline, virtualStages: 4, microbatches: count),
            ]
        }
    }

    private func plan(_ row: Case, model: Model) throws -> (Plan, Layout) {
        let layout = Layout(
            tensor: 8, pipeline: row.pipeline, virtualStages: row.virtualStages, schedule: row.schedule,
            sequenceParallel: true)
        let plan = try Shipped.plan(
            model, on: "a100-80g-sxm", devices: layout.devices, batch: row.microbatches)
        return (plan, layout)
    }

    @Test(arguments: grid)
    func exactWithEqualStages(_ row: Case) throws {
        let (plan, layout) = try plan(row, model: Shipped.gpt175B)
        let spans = try makespans(layout, plan: plan, equalStages: true)
        #expect(abs(spans.closed / spans.real - 1) < 1e-9)
    }

    /// With embedding and head on the ends and blocks that do not divide evenly.
    @Test(arguments: grid)
    func closeWithUnevenStages(_ row: Case) throws {
        var worst = 0.0
        for layers in [96, 101] {
            var model = Shipped.gpt175B
            model.layers = layers
            let (plan, layout) = try plan(row, model: model)
            let spans = try makespans(layout, plan: plan, equalStages: false)
            worst = max(worst, abs(spans.closed / spans.real - 1))
        }
        // GPipe's law stays exact; interleaving hands micro-batches over in groups that uneven stages stretch.
        let tolerance =
            switch row.schedule {
            case .gpipe: 1e-9
            case .oneForwardOneBackward: 0.01
            default: 0.05
            }
        #expect(worst < tolerance)
    }

    /// `price` takes the simulator's span for the pipeline and leaves everything else as it is.
    @Test func priceIsTheSimulatorsSpan() throws {
        let (plan, layout) = try plan(
            Case(schedule: .interleaved, pipeline: 8, virtualStages: 3, microbatches: 64), model: Shipped.gpt175B)
        let work = try Pricer(plan: plan).work(layout)
        let span = try Simulator.makespan(try layout.schedule.schedule(work.shape), costs: ActionCosts(work))
        let seconds = try price(plan: plan, layout: layout).iteration.seconds
        let outside =
            DataParallelTime(work).exposed + OptimizerTime(work).seconds + OptimizerTime(work).gradientNorm
            + plan.framework(for: layout).hostStep
        #expect(abs(seconds / (span + WaitingTime(work).seconds + outside) - 1) < 1e-9)
    }
}

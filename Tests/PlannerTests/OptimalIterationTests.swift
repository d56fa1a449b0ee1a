import Costs
import Models
import Planner
import Plans
import PricingSupport
import Schedules
import Testing

/// `simulate FILE --schedule optimal`.
@Suite struct OptimalIterationTests {
    /// Eight devices of which the pipeline takes `ranks`.
    private func plan(_ ranks: Int, microbatches: Int) throws -> (Plan, Layout) {
        let layout = Layout(tensor: 8 / ranks, pipeline: ranks, recompute: .selective)
        var plan = try Shipped.plan(Shipped.llama8B, on: "a100-80g-sxm", devices: 8, batch: microbatches)
        plan.model.layers = 16
        return (plan, layout)
    }

    private let effort = 300_000

    /// Over a grid of shapes, and from no memory to spare to plenty: not slower than any schedule by name that fits, and
    /// within the memory itself.
    @Test(arguments: [2, 4, 8], [1, 3, 8, 16])
    func isNeverSlowerThanANamedOneThatFits(_ ranks: Int, _ microbatches: Int) throws {
        let (plan, layout) = try plan(ranks, microbatches: microbatches)
        var settings = SearchSettings()
        settings.space.anySoftware = true
        settings.space.virtualStages.most = 8
        let peaks = try chooseSchedule(plan: plan, layout: layout, settings: settings).candidates.map(\.peakMemory)
            .sorted()
        let device = plan.cluster.device.memoryBytes
        for limit in [peaks[0], peaks[peaks.count / 2], 4 * (peaks.last ?? 0)] {
            let usable = limit / device * (1 + 1e-9)
            settings.usableMemory = usable
            let named = try chooseSchedule(plan: plan, layout: layout, settings: settings)
            let found = try optimalIteration(plan: plan, layout: layout, usableMemory: usable, effort: effort)
            let estimate = found.iteration.estimate
            #expect(named.estimate.peakMemory <= limit * (1 + 1e-9))
            #expect(estimate.iteration.seconds <= named.estimate.iteration.seconds)
            #expect(estimate.peakMemory <= limit * (1 + 1e-9))
            try found.iteration.schedule.validate()
            #expect(found.iteration.schedule.name == "optimal" && found.remark.hasPrefix("optimal: "))
            // The timeline is of these lists and lasts as long as the step is priced.
            #expect(found.iteration.timeline.ranks.map { $0.compactMap(\.action) }.map(Set.init).count == ranks)
            let ratio = found.iteration.timeline.duration / estimate.iteration.seconds
            #expect(abs(ratio - 1) < 1e-9)
        }
    }

    /// The memory that the estimate states is that of the lists found, not of a schedule by name.
    @Test func statesTheMemoryOfItsLists() throws {
        let (plan, layout) = try plan(4, microbatches: 12)
        let found = try optimalIteration(plan: plan, layout: layout, virtualStages: 1, effort: effort)
        let named = try Pricer(plan: plan).work(found.iteration.estimate.layout)
        let work = LayoutWork(named, searched: found.iteration.schedule)
        #expect(found.iteration.estimate.peakMemory == LayoutMemory(work).peak)
        let empty = (0..<4).map { LayoutMemory(work).rank($0, inFlight: 0).peak }.max() ?? .infinity
        #expect(empty < found.iteration.estimate.peakMemory)
    }

    /// The last stage never keeps the logits of two micro-batches, which the memory counts once.
    @Test func theLastStageTakesBackOneMicrobatchAtATime() throws {
        let (plan, layout) = try plan(4, microbatches: 12)
        for stages in [1, 2] {
            let schedule = try optimalIteration(
                plan: plan, layout: layout, virtualStages: stages, effort: effort
            ).iteration.schedule
            let last = Int32(schedule.stages - 1)
            var pending = 0
            let parts = schedule.actions.joined().flatMap { Array($0.parts) }
            for part in parts where part.stage == last && part.kind != .backwardWeight {
                pending += part.kind == .forward ? 1 : -1
                #expect((0...1).contains(pending))
            }
        }
    }

    @Test func whereNothingFitsItSaysSo() throws {
        let (plan, layout) = try plan(4, microbatches: 8)
        #expect(throws: PlannerError.self) {
            try optimalIteration(plan: plan, layout: layout, usableMemory: 0.01, effort: effort)
        }
    }
}

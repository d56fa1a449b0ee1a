import Costs
import Plans
import Planner
import Schedules
import TestSupport
import Testing

@Suite struct PredictedIterationTests {
    private static func plan() throws -> Plan {
        return try Plan.read(path: "\(Checkout.root)/plans/gpt3-175b-64-a100.yaml")
    }

    @Test func theTimelineLastsAsLongAsTheStepIsPriced() throws {
        let plan = try Self.plan()
        let layout = try #require(plan.layout)
        let predicted = try predictedIteration(plan: plan, layout: layout)
        let priced = try price(plan: plan, layout: layout)
        #expect(abs(predicted.timeline.duration / priced.iteration.seconds - 1) < 1e-9)
        #expect(predicted.estimate == priced)
        #expect(predicted.timeline.makespan < predicted.timeline.duration)
        #expect(abs(predicted.timeline.bubbleFraction - priced.iteration.bubbleFraction) < 1e-6)
        #expect(predicted.timeline.ranks.count == layout.pipeline)
        #expect(predicted.timeline.ranks.allSatisfy { $0.last?.activity == .optimizer })
    }

    @Test func aLayoutThatCannotRunIsRefused() throws {
        let plan = try Self.plan()
        var layout = try #require(plan.layout)
        layout.schedule = .gpipe
        #expect(throws: PlannerError.self) { try predictedIteration(plan: plan, layout: layout) }
    }
}

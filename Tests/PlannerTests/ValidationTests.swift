import Costs
import Foundation
import Planner
import Plans
import TestSupport
import PricingSupport
import Testing

@Suite struct ValidationTests {
    private func runs(_ source: String) throws -> [PublishedRun] {
        try PublishedRun.read(
            path: "\(Checkout.root)/plans/published/\(source).yaml", library: Checkout.library)
    }

    @Test func figuresOfErrors() {
        let figures = ErrorFigures([-0.3, 0.1, 0.05, -0.02, 0.2])
        #expect(figures.count == 5)
        #expect(figures.median == 0.1)
        #expect(abs(figures.mean - 0.134) < 1e-12)
        #expect(figures.bias == 0.05)
        #expect(abs(figures.ninetieth - 0.26) < 1e-12)
        #expect(figures.within == 0.6)
        #expect(ErrorFigures([]).median.isNaN)
    }

    @Test func pricesWithTheStatedLayout() throws {
        let published = try runs("megatron-sc21")
        let validation = validate(published)
        #expect(validation.runs.count == published.count)
        for row in validation.timed {
            let (plan, layout) = (try #require(row.run.plan), try #require(row.run.plan?.layout))
            #expect(row.estimate == (try price(plan: plan, layout: layout)))
            let ratio = try #require(row.estimate).iteration.seconds / (row.run.seconds ?? .nan)
            #expect(row.error == ratio - 1)
        }
        // ZeRO-3 rows aside, these are the best documented runs there are.
        let megatron = validation.timed.filter { $0.run.plan?.layout?.sharding != .parameters }
        #expect(megatron.count >= 16)
        #expect(ErrorFigures(megatron.compactMap(\.error)).median < 0.08)
    }

    @Test func rankCorrelationIsOneInOrderAndMinusOneInReverse() throws {
        var published = try runs("vtrain-multi-node")
        let predicted = validate(published).runs.map { $0.estimate?.iteration.seconds }
        for sign in [1.0, -1] {
            for index in published.indices {
                published[index].seconds = predicted[index].map { 1e6 + sign * 1e3 * $0 }
                // All fit, so that the pick is that of all.
                published[index].plan?.cluster.device.memoryBytes = 1e12
            }
            let validation = validate(published)
            let groups = validation.ranking.groups
            #expect(!groups.isEmpty)
            for group in groups {
                #expect(abs(group.spearman - sign) < 1e-9)
                // The pick is the best where the order is right; both names differ where it is turned round.
                #expect(sign > 0 ? group.regret == 0 : group.regret > 0)
                #expect((group.pick == group.best) == (sign > 0))
            }
        }
    }

    @Test func rowsThatCannotBePricedAreCounted() throws {
        let validation = validate(try runs("whole-runs"))
        #expect(validation.timed.isEmpty)
        let priced = validation.runs.count { $0.estimate != nil }
        #expect(priced > 15)
        #expect(priced + validation.obstacles.reduce(0) { $0 + $1.count } == validation.runs.count)
    }

    /// A source whose times are what the model says with other constants is predicted by constants fitted elsewhere.
    @Test func leavingASourceOutNeverLooksAtIt() throws {
        let (a, b) = (try runs("megatron-sc21"), try runs("megatron-2020"))
        let honest = leaveOneSourceOut(a + b)
        #expect(honest.sources.count == 2)
        #expect(honest.overall.count == honest.sources.reduce(0) { $0 + $1.figures.count })
        var slower = b
        for index in slower.indices { slower[index].seconds = slower[index].seconds.map { 10 * $0 } }
        let other = leaveOneSourceOut(a + slower)
        // The constants that predict b come from a alone: predicted times stay, so the errors scale with the seconds.
        let name = try #require(b.first?.source)
        func figures(_ result: LeaveOneSourceOut) -> ErrorFigures? {
            result.sources.first { $0.name == name }?.figures
        }
        let (before, after) = (try #require(figures(honest)), try #require(figures(other)))
        // A fit begins where that of all runs ends, so it stops at a slightly different place.
        #expect(abs((1 + after.bias) * 10 / (1 + before.bias) - 1) < 0.01)
    }

    /// Runs that took what other constants say are explained by those constants.
    @Test func aRefitFindsTheConstantsBehindTheTimes() throws {
        let published = try runs("megatron-sc21").filter { $0.plan?.layout?.sharding == Layout.Sharding.none }
        var refit = Refit([
            (.device("a100"), 0.95), (.framework(Frameworks.unfusedMegatron, .elementwise), 1.5),
            (.framework(Frameworks.megatron, .elementwise), 1.25),
        ])
        // Drawn to nothing else, it finds what made the times.
        refit.pull = 0
        let truth = [0.8, 2.5, 1.25]
        let made = try published.map { run in
            var run = run
            let plan = refit.applied(truth, to: try #require(run.plan), device: run.device)
            run.seconds = try estimate(plan: plan, layout: try #require(plan.layout)).iteration.seconds
            return run
        }
        let found = refit.fit(made)
        #expect(abs(found[0] / truth[0] - 1) < 0.02)
        #expect(abs(found[1] / truth[1] - 1) < 0.05)
        // No row runs on it, so it stays.
        #expect(abs(found[2] - truth[2]) < 1e-9)
    }
}

import Costs
import Planner
import Plans
import Schedules
import Testing

@Suite struct SearchTests {
    /// 100 billion parameters, 3 trillion tokens, 1,024 A100-80G.
    static func bigPlan() throws -> Plan {
        try Shipped.plan(.shaped(parameters: 100e9), on: "a100-80g-sxm", devices: 1024, batch: 1536, tokens: 3e12)
    }

    /// Searched once for all tests of the answer.
    static let big = Result { try search(plan: bigPlan()) }

    /// Published runs of this size on A100 reach 35 to 57 % MFU, four to six months; the best of a thousand layouts a
    /// little more.
    @Test func landsWherePracticeDoes() throws {
        let best = try #require(try Self.big.get().candidates.first)
        #expect(best.fits)
        let days = try #require(best.run?.days)
        #expect((115...185).contains(days))
        #expect((0.35...0.62).contains(best.mfu))
    }

    @Test func candidatesAreRankedAndFit() throws {
        let plan = try Self.bigPlan()
        let result = try Self.big.get()
        #expect(result.candidates.count == 20)
        #expect(result.feasible <= result.evaluated)
        #expect(Set(result.candidates.map(\.layout)).count == 20)
        let seconds = result.candidates.map(\.iteration.seconds)
        #expect(seconds == seconds.sorted())
        for candidate in result.candidates {
            #expect(candidate.peakMemory <= 0.95 * plan.cluster.device.memoryBytes)
            #expect(candidate.layout.problems(for: plan.model, batch: plan.batch, devices: plan.devices).isEmpty)
        }
    }

    /// What the search returns is what `price` says of the same layout.
    @Test func candidatesArePriced() throws {
        let plan = try Self.bigPlan()
        for candidate in try Self.big.get().candidates.prefix(2) {
            #expect(try price(plan: plan, layout: candidate.layout) == candidate)
        }
    }

    @Test func everyLayoutOfTheSpaceObeysTheRules() throws {
        for plan in [
            try Self.bigPlan(), try Shipped.plan(Shipped.tiny, on: "laptop", devices: 6, batch: 36, precision: .fp32),
        ] {
            let layouts = SearchSpace().layouts(plan)
            #expect(!layouts.isEmpty)
            #expect(Set(layouts).count == layouts.count)
            for layout in layouts {
                #expect(layout.problems(for: plan.model, batch: plan.batch, devices: plan.devices).isEmpty)
            }
        }
    }

    /// A small space searched by hand: every layout priced alone, the fastest that fits is the search's first.
    @Test func findsTheBestOfASmallSpace() throws {
        let plan = try Shipped.plan(Shipped.llama8B, on: "h100-80g-sxm", devices: 16, batch: 16)
        let found = try #require(try search(plan: plan).candidates.first)
        var best: Estimate?
        for layout in SearchSpace().layouts(plan) {
            let priced = try price(plan: plan, layout: layout)
            guard priced.peakMemory <= 0.95 * plan.cluster.device.memoryBytes else { continue }
            if priced.iteration.seconds < best?.iteration.seconds ?? .infinity { best = priced }
        }
        #expect(found.iteration.seconds == best?.iteration.seconds)
    }

    @Test(arguments: [1, 2, 7])
    func theAnswerDoesNotDependOnThreads(threads: Int) throws {
        let plan = try Shipped.plan(Shipped.llama8B, on: "h100-80g-sxm", devices: 32, batch: 64)
        var settings = SearchSettings()
        settings.threads = threads
        let one = try search(plan: plan, settings: settings)
        let many = try search(plan: plan)
        #expect(one.candidates == many.candidates)
        #expect(one.evaluated == many.evaluated)
        #expect(one.feasible == many.feasible)
    }

    @Test func twoProcessesOfALaptop() throws {
        let plan = try Shipped.plan(Shipped.tiny, on: "laptop", devices: 2, batch: 32, precision: .fp32)
        let best = try #require(try search(plan: plan).candidates.first)
        #expect(best.iteration.seconds.isFinite)
        #expect(best.run == nil)
        #expect(best.mfu > 0.2 && best.mfu < 1)
    }

    @Test func nothingFits() throws {
        let plan = try Shipped.plan(Shipped.gpt175B, on: "a100-80g-sxm", devices: 8, batch: 64)
        let error = #expect(throws: PlannerError.self) { try search(plan: plan) }
        guard case .nothingFits(let reason) = error else {
            Issue.record("not \(String(describing: error))")
            return
        }
        #expect(reason.peak > reason.usable)
        #expect(reason.tried > 0)
        // 18 bytes a parameter over 80 GiB devices: more than 36.
        #expect(try #require(reason.enough) >= 32)
        #expect(reason.description.contains("devices are enough"))
    }

    @Test func noSplitObeysTheRules() throws {
        let plan = try Shipped.plan(Shipped.tiny, on: "a100-80g-sxm", devices: 7919, batch: 32)
        let error = #expect(throws: PlannerError.self) { try search(plan: plan) }
        guard case .noLayout(let reason) = error else {
            Issue.record("not \(String(describing: error))")
            return
        }
        #expect(reason.contains("7919"))
    }

    @Test func fp8NeedsADeviceThatHasIt() throws {
        let plan = try Shipped.plan(Shipped.llama8B, on: "a100-80g-sxm", devices: 8, batch: 32, precision: .fp8)
        #expect(throws: PlannerError.cost(.noRate(precision: "fp8", device: plan.cluster.device.name))) {
            try search(plan: plan)
        }
    }
}

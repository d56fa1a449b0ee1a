import Costs
import Models
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

    /// Published runs of this size on A100 reach 35 to 57 % MFU, four to six months; the best of all layouts a
    /// little more, and a run as long as teams take with it.
    @Test func landsWherePracticeDoes() throws {
        let best = try #require(try Self.big.get().candidates.first)
        #expect(best.fits)
        let days = try #require(best.run?.days)
        #expect((115...185).contains(days))
        #expect((0.35...0.64).contains(best.mfu))
    }

    @Test func candidatesAreRankedAndFit() throws {
        let plan = try Self.bigPlan()
        let result = try Self.big.get()
        #expect(result.candidates.count == 20)
        #expect(result.effort.feasible <= result.effort.evaluated)
        #expect(Set(result.candidates.map(\.layout)).count == 20)
        let seconds = result.candidates.map(\.iteration.seconds)
        #expect(seconds == seconds.sorted())
        for candidate in result.candidates {
            #expect(candidate.peakMemory <= 0.95 * plan.cluster.device.memoryBytes)
            #expect(candidate.layout.problems(for: plan.model, batch: plan.batch, devices: plan.devices).isEmpty)
        }
    }

    /// Answers of the search equal those of `price` for the same layout.
    @Test func candidatesArePriced() throws {
        let plan = try Self.bigPlan().open
        for candidate in try Self.big.get().candidates.prefix(2) {
            #expect(try price(plan: plan, layout: candidate.layout) == candidate)
        }
    }

    /// A small space searched by hand: every layout priced alone, the fastest that fits is the search's first.
    @Test func findsTheBestOfASmallSpace() throws {
        let plan = try Shipped.plan(Shipped.llama8B, on: "h100-80g-sxm", devices: 16, batch: 16)
        var settings = SearchSettings()
        settings.space.schedules = [.gpipe, .oneForwardOneBackward, .interleaved, .zeroBubbleH1]
        settings.space.virtualStages.most = 4
        settings.space.microbatch.most = 2
        let found = try #require(try search(plan: plan, settings: settings).candidates.first)
        var best: Estimate?
        for priced in pricedLayouts(settings.space, pricer: try Pricer(plan: plan)) {
            let priced = try price(plan: plan, layout: priced.layout)
            guard priced.peakMemory <= 0.95 * plan.cluster.device.memoryBytes else { continue }
            if priced.iteration.seconds < best?.iteration.seconds ?? .infinity { best = priced }
        }
        #expect(found.iteration.seconds == best?.iteration.seconds)
    }

    /// No other layout beats one of the front in both, and the fastest of all is on it.
    @Test func theFrontIsAFront() throws {
        let plan = try Shipped.plan(Shipped.llama8B, on: "h100-80g-sxm", devices: 32, batch: 64)
        var settings = SearchSettings()
        settings.wantsFront = true
        let result = try search(plan: plan, settings: settings)
        #expect(result.front.count > 3)
        for (smaller, larger) in zip(result.front, result.front.dropFirst()) {
            #expect(smaller.peakMemory < larger.peakMemory)
            #expect(smaller.iteration.seconds > larger.iteration.seconds)
        }
        #expect(result.front.last?.iteration.seconds == result.candidates.first?.iteration.seconds)
        settings.objective = .memory
        let sparing = try #require(try search(plan: plan, settings: settings).candidates.first)
        #expect(sparing.peakMemory <= result.front[0].peakMemory)
    }

    @Test func fixedFieldsStay() throws {
        let plan = try Shipped.plan(Shipped.gpt175B, on: "a100-80g-sxm", devices: 512, batch: 768)
        var settings = SearchSettings()
        settings.top = 5
        settings.space.tensor.fixed = 8
        settings.space.pipeline.fixed = 16
        settings.space.microbatch.fixed = 1
        settings.space.schedules = [.interleaved]
        settings.space.sharding = [.none]
        for candidate in try search(plan: plan, settings: settings).candidates {
            let layout = candidate.layout
            #expect((layout.tensor, layout.pipeline, layout.data, layout.microbatch) == (8, 16, 4, 1))
            #expect(layout.schedule == .interleaved && layout.sharding == .none)
        }
    }

    @Test func contradictionsAreNamed() throws {
        let plan = try Shipped.plan(Shipped.gpt175B, on: "a100-80g-sxm", devices: 512, batch: 768)
        func reason(_ change: (inout SearchSpace) -> Void) -> String {
            var settings = SearchSettings()
            change(&settings.space)
            do throws(PlannerError) {
                _ = try search(plan: plan, settings: settings)
                return ""
            } catch { return error.description }
        }
        #expect(
            reason {
                $0.tensor.fixed = 16; $0.tensor.most = 8
            }.contains("contradicts"))
        #expect(reason { $0.tensor.fixed = 7 }.contains("7 does not divide 512 devices"))
        #expect(reason { $0.pipeline.fixed = 128 }.contains("96"))
        #expect(reason { $0.microbatch.fixed = 5 }.contains("5 does not divide the batch of 768"))
        #expect(reason { $0.expert.fixed = 8 }.contains("dense"))
        #expect(
            reason {
                $0.pipeline.fixed = 1; $0.schedules = [.zeroBubbleH1]
            }.contains("zb-h1"))
        #expect(
            reason {
                $0.virtualStages.fixed = 4; $0.schedules = [.zeroBubbleV]
            }.contains("2 stages a rank"))
        #expect(
            reason {
                $0.tensor.fixed = 1; $0.sequenceParallel = [true]
            }.contains("above 1"))
    }

    @Test(arguments: [1, 2, 7])
    func theAnswerDoesNotDependOnThreads(threads: Int) throws {
        let plan = try Shipped.plan(Shipped.llama8B, on: "h100-80g-sxm", devices: 32, batch: 64)
        var settings = SearchSettings()
        settings.threads = threads
        let one = try search(plan: plan, settings: settings)
        let many = try search(plan: plan)
        #expect(one.candidates == many.candidates)
        #expect(one.effort.evaluated == many.effort.evaluated)
        #expect(one.effort.feasible == many.effort.feasible)
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
        // 18 bytes a parameter over 80 GiB devices: 37 and more, and every number of them is tried.
        #expect((37...56).contains(try #require(reason.enough)))
        #expect(reason.description.contains("needs at least"))
    }

    @Test func noSplitObeysTheRules() throws {
        let plan = try Shipped.plan(Shipped.tiny, on: "a100-80g-sxm", devices: 7919, batch: 32)
        let error = #expect(throws: PlannerError.self) { try search(plan: plan) }
        guard case .noLayout(let reason) = error else {
            Issue.record("not \(String(describing: error))")
            return
        }
        #expect(reason.contains("7,919"))
    }

    @Test func fp8NeedsADeviceThatHasIt() throws {
        let plan = try Shipped.plan(Shipped.llama8B, on: "a100-80g-sxm", devices: 8, batch: 32, precision: .fp8)
        #expect(throws: PlannerError.cost(.noRate(precision: "fp8", device: plan.cluster.device.name))) {
            try search(plan: plan)
        }
    }
}

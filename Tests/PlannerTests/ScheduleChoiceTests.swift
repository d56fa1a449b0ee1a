import Costs
import Planner
import Plans
import PricingSupport
import Schedules
import Testing

/// `layout.schedule: auto`.
@Suite struct ScheduleChoiceTests {
    private func plan(memory: Double? = nil) throws -> (Plan, Layout) {
        let layout = Layout(tensor: 8, pipeline: 8, recompute: .selective, sequenceParallel: true)
        var plan = try Shipped.plan(Shipped.gpt175B, on: "a100-80g-sxm", devices: 64, batch: 32)
        if let memory { plan.cluster.device.memoryBytes = memory }
        return (plan, layout)
    }

    /// Every schedule there is, with this share of the memory.
    private func all(usable: Double = Estimate.usableShare) -> SearchSettings {
        var settings = SearchSettings()
        settings.space.anySoftware = true
        settings.space.virtualStages.most = 8
        settings.usableMemory = usable
        return settings
    }

    @Test func isTheFastestOfAllThatFit() throws {
        let (plan, layout) = try plan()
        let choice = try chooseSchedule(plan: plan, layout: layout, settings: all())
        #expect(choice.estimate.fits)
        #expect(Set(choice.candidates.map(\.layout.schedule)).count >= 8)
        for candidate in choice.candidates {
            let priced = try price(plan: plan, layout: candidate.layout)
            #expect(priced.iteration.seconds == candidate.seconds && priced.peakMemory == candidate.peakMemory)
            if candidate.fits { #expect(choice.estimate.iteration.seconds <= candidate.seconds) }
        }
        #expect(choice.summary.hasPrefix("schedule: \(choice.estimate.layout.schedule.rawValue)"))
    }

    /// Less memory leaves fewer to choose from and never a faster one.
    @Test func keepsToTheMemoryLimit() throws {
        let (plan, layout) = try plan()
        let free = try chooseSchedule(plan: plan, layout: layout, settings: all(usable: 10))
        let peaks = free.candidates.map(\.peakMemory).sorted()
        let limit = peaks[peaks.count / 3]
        let bound = try chooseSchedule(
            plan: plan, layout: layout,
            settings: all(usable: limit / plan.cluster.device.memoryBytes * (1 + 1e-9)))
        #expect(bound.estimate.peakMemory <= limit * (1 + 1e-9))
        #expect(bound.estimate.iteration.seconds >= free.estimate.iteration.seconds)
        #expect(bound.candidates.count == free.candidates.count)
    }

    @Test func whereNothingFitsTheSmallestIsShown() throws {
        let (plan, layout) = try plan(memory: 1e9)
        let choice = try chooseSchedule(plan: plan, layout: layout, settings: all())
        #expect(!choice.estimate.fits)
        #expect(choice.candidates.allSatisfy { $0.peakMemory >= choice.estimate.peakMemory })
        #expect(choice.summary.contains("none of \(choice.candidates.count) fits"))
    }

    @Test func statedVirtualStagesStay() throws {
        let (plan, layout) = try plan()
        let choice = try chooseSchedule(
            plan: plan, layout: layout, open: OpenSchedule(virtualStages: 3), settings: all())
        #expect(choice.candidates.allSatisfy { $0.layout.virtualStages == 3 })
        #expect(!choice.candidates.isEmpty)
    }

    /// Folded: rank 0 holds both ends, so the head's rank is the one with fewer blocks, and all of them are placed.
    @Test func foldedStagesAreBalanced() throws {
        var (plan, layout) = try plan()
        plan.batch = 32
        layout.schedule = .zeroBubbleV
        layout.virtualStages = 2
        let work = try Pricer(plan: plan).work(layout)
        #expect((0..<8).map(work.rankLayers).reduce(0, +) == 96)
        let (first, last) = (work.shares.ranks[0], work.shares.ranks[7])
        #expect(first.holdsEmbedding && first.holdsHead && !last.holdsHead)
        #expect((1..<8).allSatisfy { work.rankLayers($0) >= work.rankLayers(0) })
        // Two directions hold every layer twice and work through each half of the time.
        layout.schedule = .dualPipe
        let both = try Pricer(plan: plan).work(layout)
        #expect((0..<8).map(both.rankLayers).reduce(0, +) == 192)
        let passed = (0..<8).map { both.rank($0).forward.compute }.reduce(0, +)
        let once = (0..<8).map { work.rank($0).forward.compute }.reduce(0, +)
        #expect(abs(passed / once - 1) < 1e-9)
    }
}

import Schedules
import Simulator
import Testing

/// Equal to an independent simulator, tick for tick, on every list.
@Suite struct GoldenTimesTests {
    @Test func theGoldenFileIsWhole() {
        #expect(GoldenTimes.all.count == 83)
        #expect(GoldenTimes.all.allSatisfy { $0.results.count == 4 })
    }

    @Test(arguments: GoldenTimes.all, ["unit", "unit_comm", "skew", "uneven_comm"])
    func times(_ golden: GoldenTimes, _ name: String) throws {
        let setting = try #require(GoldenTimes.file?.settings[name])
        let expected = try #require(golden.results[name])
        let schedule = try golden.schedule
        let costs = try golden.costs(setting, stages: schedule.stages)
        let timeline = try Simulator.simulate(schedule, costs: costs)
        #expect(timeline.makespan == expected.makespan)
        #expect(try Simulator.makespan(schedule, costs: costs) == expected.makespan)
        let figures = timeline.figures
        #expect(figures.map(\.start) == expected.start)
        #expect(figures.map(\.end) == expected.end)
        #expect(figures.map(\.busy) == expected.busy)
        #expect(timeline.bubbleSpan == expected.bubble_span)
    }

    @Test(arguments: GoldenTimes.all, ["link", "link_busy", "blocking", "slow", "fused_half"])
    func transferModes(_ golden: GoldenTimes, _ name: String) throws {
        let setting = try #require(GoldenTransferModes.file?.settings[name])
        let expected = try #require(GoldenTransferModes.file?.results[golden.id]?[name])
        let schedule = try golden.schedule
        let timeline = try Simulator.simulate(schedule, costs: try golden.costs(setting, stages: schedule.stages))
        #expect(timeline.makespan == expected.makespan)
        #expect(timeline.figures.map(\.start) == expected.start)
        #expect(timeline.figures.map(\.end) == expected.end)
        #expect(timeline.bubbleSpan == expected.bubble_span)
    }

    @Test(arguments: GoldenTimes.all)
    func peaks(_ golden: GoldenTimes) throws {
        let schedule = try golden.schedule
        #expect(schedule.peakActivations(release: .backwardInput) == golden.peaks.peak_release_at_I)
        #expect(schedule.peakActivations(release: .backwardWeight) == golden.peaks.peak_release_at_W)
        let setting = try #require(GoldenTimes.file?.settings["uneven_comm"])
        let timeline = try Simulator.simulate(schedule, costs: golden.costs(setting, stages: schedule.stages))
        #expect(timeline.peakActivations(release: .backwardInput) == golden.peaks.peak_release_at_I)
        #expect(timeline.peakActivations(release: .backwardWeight) == golden.peaks.peak_release_at_W)
    }
}

import Schedules
import Testing

@Suite struct ScheduleValidationTests {
    @Test(arguments: GoldenSchedule.all)
    func everyGoldenListIsValid(_ golden: GoldenSchedule) throws {
        try golden.schedule.validate()
    }

    /// Two ranks, one stage each, two micro-batches.
    private func violation(_ lists: [[String]]) throws -> ScheduleViolation? {
        let schedule = Schedule(
            name: "test", ranks: 2, virtualStages: 1, microbatches: 2, placement: .looped(ranks: 2, virtualStages: 1),
            actions: try lists.map { try $0.map { try #require(Action($0)) } })
        do throws(ScheduleViolation) { try schedule.validate() } catch { return error }
        return nil
    }

    private let last = ["1F0", "1B0", "1F1", "1B1"]

    @Test func theListsBeingBrokenBelowAreValidWhole() throws {
        #expect(try violation([["0F0", "0F1", "0B0", "0B1"], last]) == nil)
        #expect(try violation([["0F0", "0F1", "0I0", "0I1", "0W0", "0W1"], last]) == nil)
    }

    @Test(arguments: [
        (["0F0", "0F1", "0B0"], "stage 0, micro-batch 1: no backward"),
        (["0F0", "0B0"], "stage 0, micro-batch 1: no forward"),
        (["0F0", "0F1", "0B0", "0I1"], "stage 0, micro-batch 1: no weight gradient"),
        (["0F0", "0F1", "0B0", "0B1", "0I1"], "stage 0, micro-batch 1: a full backward and half of one"),
        (["0F0", "0F1", "0B0", "0B1", "0F1"], "rank 0, position 4, 0F1: done twice"),
        (["0F0", "0B1", "0F1", "0B0"], "rank 0, position 1, 0B1: comes before 0F1"),
        (["0F0", "0F1", "0W0", "0I0", "0B1"], "rank 0, position 2, 0W0: comes before 0I0"),
        (["0F0", "0F1", "1B0", "0B1"], "rank 0, position 2, 1B0: this stage lives on rank 1"),
        (["0F0", "0F2", "0B0", "0B1"], "rank 0, position 1, 0F2: there is no such stage or micro-batch"),
        (["2F0"], "rank 0, position 0, 2F0: there is no such stage or micro-batch"),
    ])
    func aBrokenListIsNamed(_ list: [String], _ message: String) throws {
        #expect(try violation([list, last])?.description == message)
    }

    @Test func aDeadlockNamesItsCycle() throws {
        // Rank 0 wants the gradient of micro-batch 0 before it sends the activation that rank 1 wants first.
        let violation = try violation([["0F0", "0B0", "0F1", "0B1"], ["1F0", "1F1", "1B0", "1B1"]])
        #expect(
            violation?.description
                == "deadlock: (rank 0, position 1, 0B0) waits for (rank 1, position 1, 1F1) waits for "
                + "(rank 0, position 1, 0B0)")
        guard case .deadlock(let cycle) = violation else {
            Issue.record("not a deadlock")
            return
        }
        #expect(cycle.map(\.rank) == [0, 1])
    }

    @Test func wrongSizesAreNamed() throws {
        var schedule = try ScheduleName.gpipe.schedule(ranks: 2, virtualStages: 1, microbatches: 2)
        schedule.actions.removeLast()
        #expect(throws: ScheduleViolation.malformed("2 ranks but 1 action lists")) { try schedule.validate() }
        schedule = try ScheduleName.gpipe.schedule(ranks: 2, virtualStages: 1, microbatches: 2)
        schedule.placement.stageToRank[1] = 2
        #expect(throws: ScheduleViolation.malformed("a stage lives on a rank that is not there")) {
            try schedule.validate()
        }
    }
}

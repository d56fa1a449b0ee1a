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

    /// Rank 1 takes micro-batch 1 before micro-batch 0, which is sent first: with tags it runs, by an in-order channel not.
    @Test(arguments: [
        (
            ["0F0", "0F1", "0B0", "0B1"], ["1F1", "1F0", "1B0", "1B1"],
            "rank 1, position 0, 1F1: takes the tensor of (rank 0, position 1, 0F1) before that of "
                + "(rank 0, position 0, 0F0), which is sent first; the channel between two ranks keeps the order"
        ),
        (
            ["0F0", "0F1", "0B1", "0B0"], ["1F0", "1F1", "1I0", "1B1", "1W0"],
            "rank 0, position 2, 0B1: takes the tensor of (rank 1, position 3, 1B1) before that of "
                + "(rank 1, position 2, 1I0), which is sent first; the channel between two ranks keeps the order"
        ),
    ])
    func aChannelTakenOutOfOrderIsNamed(_ first: [String], _ second: [String], _ message: String) throws {
        #expect(try violation([first, second])?.description == message)
    }

    /// Two stages of a rank send by one channel; each stage by itself is in order here.
    @Test func stagesShareTheChannelOfTheirRanks() throws {
        func lists(_ last: [String]) throws -> Schedule {
            Schedule(
                name: "test", ranks: 3, virtualStages: 2, microbatches: 2,
                placement: .looped(ranks: 3, virtualStages: 2),
                actions: try [
                    ["0F0", "0F1", "3F0", "3F1", "3B0", "3B1", "0B0", "0B1"],
                    ["1F0", "1F1", "4F0", "4F1", "4B0", "4B1", "1B0", "1B1"], last,
                ].map { try $0.map { try #require(Action($0)) } })
        }
        try lists(["2F0", "2F1", "5F0", "5F1", "5B0", "5B1", "2B0", "2B1"]).validate()
        // Of the gradients, that of stage 5 for micro-batch 1 is wanted after all others of the channel.
        #expect(throws: ScheduleViolation.self) {
            try lists(["2F0", "2F1", "5F0", "5B0", "2B0", "5F1", "5B1", "2B1"]).validate()
        }
    }

    @Test func aFusedActionsBackwardMustBeInOrderToo() throws {
        let golden = try #require(GoldenSchedule.all.first { $0.id.contains("DualPipeV/p3") })
        var schedule = try golden.schedule
        // Two neighbouring fused actions exchange the micro-batches of their backwards.
        let fused = schedule.actions[0].indices.filter { schedule.actions[0][$0].kind == .fused }
        let pair = try #require(
            zip(fused, fused.dropFirst()).first { one, other in
                schedule.actions[0][one].partnerStage == schedule.actions[0][other].partnerStage
            })
        let kept = schedule.actions[0][pair.0].partnerMicrobatch
        schedule.actions[0][pair.0].partnerMicrobatch = schedule.actions[0][pair.1].partnerMicrobatch
        schedule.actions[0][pair.1].partnerMicrobatch = kept
        #expect(throws: ScheduleViolation.self) { try schedule.validate() }
    }

    /// Every list up to 8 ranks, 4 stages a rank and 4p micro-batches.
    @Test(arguments: ScheduleName.allCases)
    func everyListOfTheGridIsValid(_ name: ScheduleName) throws {
        var count = 0
        for ranks in 1...8 {
            for stages in 1...4 {
                for microbatches in 1...4 * ranks {
                    let shape = PipelineShape(ranks: ranks, virtualStages: stages, microbatches: microbatches)
                    guard name.problem(shape) == nil else { continue }
                    try name.schedule(shape).validate()
                    count += 1
                }
            }
        }
        #expect(count > 0)
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

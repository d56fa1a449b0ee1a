import Schedules
import Testing

@Suite struct TransferPlanTests {
    /// A message as both ends must see it.
    private struct Message: Hashable {
        var from: Int
        var to: Int
        var kind: Transfer.Kind
        var stage: Int32
        var microbatch: Int32
        var tag: Int32
    }

    @Test(arguments: GoldenSchedule.all)
    func everySendMeetsOneReceive(_ golden: GoldenSchedule) throws {
        let schedule = try golden.schedule
        var sent: [Message] = []
        var received: [Message] = []
        for (rank, list) in schedule.transfers.perRank.enumerated() {
            #expect(list.count == schedule.actions[rank].count)
            for entry in list {
                for case let t? in [entry.send, entry.partnerSend] {
                    sent.append(
                        Message(
                            from: rank, to: Int(t.peer), kind: t.kind, stage: t.stage, microbatch: t.microbatch,
                            tag: t.tag))
                }
                for case let t? in [entry.receive, entry.partnerReceive] {
                    received.append(
                        Message(
                            from: Int(t.peer), to: rank, kind: t.kind, stage: t.stage, microbatch: t.microbatch,
                            tag: t.tag))
                }
            }
        }
        #expect(Set(sent) == Set(received))
        #expect(Set(sent.map(\.tag)).count == sent.count)
        #expect(received.count == sent.count)
        // Each boundary between stages on different ranks is crossed twice by every micro-batch.
        var crossings = 0
        for i in 0..<schedule.microbatches {
            for s in 0..<(schedule.stages - 1) {
                let (here, there) = (
                    schedule.placement.rank(stage: s, microbatch: i),
                    schedule.placement.rank(stage: s + 1, microbatch: i)
                )
                crossings += here == there ? 0 : 2
            }
        }
        #expect(sent.count == crossings)
    }

    @Test func aMiddleRankOfOneForwardOneBackward() throws {
        let schedule = try ScheduleName.oneForwardOneBackward.schedule(ranks: 3, virtualStages: 1, microbatches: 1)
        let forward = ActionTransfers(
            receive: Transfer(kind: .activation, stage: 1, microbatch: 0, peer: 0, tag: 2),
            send: Transfer(kind: .activation, stage: 2, microbatch: 0, peer: 2, tag: 4))
        let backward = ActionTransfers(
            receive: Transfer(kind: .gradient, stage: 1, microbatch: 0, peer: 2, tag: 3),
            send: Transfer(kind: .gradient, stage: 0, microbatch: 0, peer: 0, tag: 1))
        #expect(schedule.transfers.perRank[1] == [forward, backward])
    }

    @Test func nothingTravelsOnOneRank() throws {
        let schedule = try ScheduleName.interleaved.schedule(ranks: 1, virtualStages: 3, microbatches: 4)
        #expect(schedule.transfers.perRank == [[ActionTransfers](repeating: ActionTransfers(), count: 24)])
    }

    @Test func theTurnOfAVShapedPipelineIsLocal() throws {
        let golden = try #require(GoldenSchedule.all.first { $0.id == "zb/1F1B-V/p2m4" })
        let plan = try golden.schedule.transfers
        let turn = try #require(golden.ranks[1].firstIndex(of: "2F0"))
        #expect(plan.perRank[1][turn].receive == nil)
        #expect(plan.perRank[1][turn].send?.peer == 0)
    }

    /// Between the same two ranks, messages of one kind are sent and taken in the same order, so a channel without
    /// tags would do as well.
    @Test(arguments: ScheduleName.allCases)
    func bothEndsOfAPairAgreeOnTheOrder(_ name: ScheduleName) throws {
        for shape in ScheduleRuleTests.grid where name.problem(shape) == nil {
            try expectInOrder(name.schedule(shape))
        }
    }

    @Test(arguments: GoldenSchedule.all)
    func bothEndsOfAPairAgreeOnTheOrderInEveryGoldenList(_ golden: GoldenSchedule) throws {
        try expectInOrder(golden.schedule)
    }

    private func expectInOrder(_ schedule: Schedule) {
        struct Channel: Hashable {
            var from: Int
            var to: Int
            var kind: Transfer.Kind
        }
        var sent: [Channel: [Int32]] = [:]
        var received: [Channel: [Int32]] = [:]
        for (rank, list) in schedule.transfers.perRank.enumerated() {
            for entry in list {
                for case let transfer? in [entry.send, entry.partnerSend] {
                    sent[Channel(from: rank, to: Int(transfer.peer), kind: transfer.kind), default: []]
                        .append(transfer.tag)
                }
                for case let transfer? in [entry.receive, entry.partnerReceive] {
                    received[Channel(from: Int(transfer.peer), to: rank, kind: transfer.kind), default: []]
                        .append(transfer.tag)
                }
            }
        }
        #expect(sent == received, "\(schedule.name)")
    }
}

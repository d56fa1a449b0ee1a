import Schedules
import Simulator
import Testing

@Suite struct SimulatorTests {
    private func uniform(_ stages: Int, transfer: Double = 0, mode: ActionCosts.TransferMode = .asynchronous)
        -> ActionCosts
    {
        let one = [Double](repeating: 1, count: stages)
        return ActionCosts(
            forward: one, backwardInput: one, backwardWeight: one, transfer: transfer, transferMode: mode)
    }

    @Test func transfersAppearOnBothEndsInOrder() throws {
        let schedule = try ScheduleName.gpipe.schedule(ranks: 2, virtualStages: 1, microbatches: 1)
        let timeline = try Simulator.simulate(schedule, costs: uniform(2, transfer: 0.5))
        let (forward, backward) = (
            Action(.forward, stage: 0, microbatch: 0), Action(.backward, stage: 1, microbatch: 0)
        )
        #expect(
            timeline.ranks[0] == [
                Timeline.Span(.compute, action: forward, start: 0, end: 1),
                Timeline.Span(.send, action: forward, start: 1, end: 1.5, peer: 1),
                Timeline.Span(.receive, action: backward, start: 4.5, end: 5, peer: 1),
                Timeline.Span(
                    .compute, action: Action(.backward, stage: 0, microbatch: 0), start: 5, end: 7),
            ])
        #expect(timeline.ranks[1].map(\.activity) == [.receive, .compute, .compute, .send])
        #expect(timeline.ranks[1].map(\.peer) == [0, -1, -1, 0])
    }

    @Test func thereAreNoTransferSpansWithoutTransferTime() throws {
        let schedule = try ScheduleName.gpipe.schedule(ranks: 3, virtualStages: 1, microbatches: 4)
        let timeline = try Simulator.simulate(schedule, costs: uniform(3))
        #expect(timeline.ranks.joined().allSatisfy { $0.activity == .compute })
    }

    @Test(arguments: ActionCosts.TransferMode.allCases)
    func everyMessageIsSeenTwiceAndSpansAreInOrder(_ mode: ActionCosts.TransferMode) throws {
        let schedule = try ScheduleName.interleaved.schedule(ranks: 3, virtualStages: 2, microbatches: 6)
        let timeline = try Simulator.simulate(schedule, costs: uniform(6, transfer: 0.75, mode: mode))
        var sends = 0
        for (rank, spans) in timeline.ranks.enumerated() {
            #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.start <= $1.start })
            #expect(spans.filter { $0.activity == .compute }.compactMap(\.action) == schedule.actions[rank])
            for send in spans where send.activity == .send {
                var arrival = send
                arrival.activity = .receive
                arrival.peer = rank
                #expect(timeline.ranks[send.peer].contains(arrival))
                sends += 1
            }
        }
        #expect(sends == 5 * 6 * 2)
    }

    @Test func anExclusiveLinkCarriesOneMessageAtATime() throws {
        let schedule = try ScheduleName.gpipe.schedule(ranks: 2, virtualStages: 1, microbatches: 4)
        let timeline = try Simulator.simulate(schedule, costs: uniform(2, transfer: 3, mode: .link))
        let sends = timeline.ranks[0].filter { $0.activity == .send }
        #expect(sends.map(\.start) == [1, 4, 7, 10])
        let crowd = try Simulator.simulate(schedule, costs: uniform(2, transfer: 3, mode: .asynchronous))
        #expect(crowd.ranks[0].filter { $0.activity == .send }.map(\.start) == [1, 2, 3, 4])
    }

    @Test func aBlockingSendHoldsItsRank() throws {
        let schedule = try ScheduleName.gpipe.schedule(ranks: 2, virtualStages: 1, microbatches: 2)
        let timeline = try Simulator.simulate(schedule, costs: uniform(2, transfer: 3, mode: .blocking))
        #expect(timeline.ranks[0].filter { $0.activity == .compute }.prefix(2).map(\.start) == [0, 4])
    }

    @Test func aListThatCannotRunIsRefused() throws {
        var schedule = try ScheduleName.gpipe.schedule(ranks: 2, virtualStages: 1, microbatches: 2)
        schedule.actions[0].removeLast()
        #expect(
            throws: SimulationProblem.schedule(.missing(stage: 0, microbatch: 1, what: "no backward"))
        ) {
            try Simulator.simulate(schedule, costs: uniform(2))
        }
    }

    @Test(arguments: [-1, .nan, .infinity])
    func aCostThatIsNoTimeIsRefused(_ value: Double) throws {
        let schedule = try ScheduleName.gpipe.schedule(ranks: 2, virtualStages: 1, microbatches: 2)
        var costs = uniform(2)
        costs.backward[1] = value
        let problem = #expect(throws: SimulationProblem.self) { try Simulator.simulate(schedule, costs: costs) }
        #expect(
            problem?.description == "the backward cost of stage 1 is \(value); it must be a finite time of at least 0")
        costs = uniform(2, transfer: value)
        #expect(throws: SimulationProblem.self) { try Simulator.makespan(schedule, costs: costs) }
        #expect(throws: SimulationProblem.costs("forward costs are given for 3 stages, the schedule has 2")) {
            try Simulator.simulate(schedule, costs: uniform(3))
        }
    }

    @Test func figuresOfOneForwardOneBackward() throws {
        // p = 4, m = 8, T_F = 1, T_B = 2: the bubble is (p−1)/(m+p−1) of the time.
        let schedule = try ScheduleName.oneForwardOneBackward.schedule(ranks: 4, virtualStages: 1, microbatches: 8)
        let timeline = try Simulator.simulate(schedule, costs: uniform(4))
        #expect(timeline.makespan == 33)
        #expect(timeline.duration == 33)
        #expect(abs(timeline.bubbleFraction - 3.0 / 11) < 1e-12)
        #expect(timeline.bubbleSpan == 9)
        #expect(abs(timeline.share(of: .compute) - 8.0 / 11) < 1e-12)
        #expect(timeline.share(of: .send) == 0)
        #expect(timeline.peakActivations(release: .backwardWeight) == [4, 3, 2, 1])
    }
}

import Schedules
import Simulator
import Testing

/// Slow ranks, random delays, and what follows the pipeline.
@Suite struct DisturbanceTests {
    private func uniform(_ stages: Int, transfer: Double = 0) -> ActionCosts {
        let one = [Double](repeating: 1, count: stages)
        return ActionCosts(forward: one, backwardInput: one, backwardWeight: one, transfer: transfer)
    }

    private func pipeline() throws -> Schedule {
        try ScheduleName.oneForwardOneBackward.schedule(ranks: 4, virtualStages: 1, microbatches: 8)
    }

    /// A slow rank is the same as a stage that takes longer.
    @Test(arguments: [0, 2, 3])
    func aSlowRankIsASlowStage(_ rank: Int) throws {
        let schedule = try pipeline()
        var slow = uniform(4, transfer: 0.25)
        slow.forward[rank] = 1.5
        slow.backwardInput[rank] = 1.5
        slow.backwardWeight[rank] = 1.5
        slow.backward[rank] = 3
        let disturbed = try Simulator.makespan(
            schedule, costs: uniform(4, transfer: 0.25), disturbance: Disturbance(slowRanks: [rank: 1.5]))
        #expect(try disturbed == Simulator.makespan(schedule, costs: slow))
        #expect(disturbed > 33)
    }

    @Test func withoutDisturbanceEveryRunIsTheSame() throws {
        let times = try Simulator.stepTimes(pipeline(), costs: uniform(4), disturbance: Disturbance(), runs: 3)
        #expect(times.sorted == [33, 33, 33])
    }

    @Test func theSameSeedGivesTheSameRuns() throws {
        let schedule = try pipeline()
        func times(_ seed: UInt64) throws -> StepTimes {
            try Simulator.stepTimes(
                schedule, costs: uniform(4, transfer: 0.5), disturbance: Disturbance(jitter: 0.1, seed: seed), runs: 50)
        }
        #expect(try times(1) == times(1))
        #expect(try times(1) != times(2))
        let first = try Simulator.makespan(
            schedule, costs: uniform(4, transfer: 0.5), disturbance: Disturbance(jitter: 0.1, seed: 1))
        #expect(try times(1).sorted.contains(first))
    }

    /// One rank: the sum of independent times, whose mean stays and whose deviation falls with √n.
    @Test func aSingleRankAveragesItsDelays() throws {
        let schedule = try ScheduleName.gpipe.schedule(ranks: 1, virtualStages: 1, microbatches: 100)
        let times = try Simulator.stepTimes(
            schedule, costs: uniform(1), disturbance: Disturbance(jitter: 0.2, seed: 7), runs: 2000)
        #expect(abs(times.mean - 300) < 0.5)
        let deviation = (times.sorted.map { ($0 - times.mean) * ($0 - times.mean) }.reduce(0, +) / 2000).squareRoot()
        // Forwards of 1 and backwards of 2, a fifth each: 0.2·√(100·1 + 100·4).
        #expect(abs(deviation / (0.2 * 500.0.squareRoot()) - 1) < 0.06)
    }

    /// In a pipeline delays add up where ranks wait for each other.
    @Test func delaysCostAPipelineMoreThanTheirMean() throws {
        let times = try Simulator.stepTimes(
            pipeline(), costs: uniform(4), disturbance: Disturbance(jitter: 0.2, seed: 3), runs: 400)
        #expect(times.median > 33.5)
        #expect(times.minimum <= times.median && times.median <= times.quantile(0.9))
        #expect(times.quantile(0.9) <= times.maximum)
        #expect(times.quantile(0) == times.minimum && times.quantile(1) == times.maximum)
    }

    @Test(arguments: [
        (Disturbance(slowRanks: [4: 2]), "slow rank 4: there are only the ranks 0 to 3"),
        (Disturbance(slowRanks: [1: 0]), "slow rank 1: its factor is 0.0; it must be finite and above 0"),
        (Disturbance(slowRanks: [1: .nan]), "slow rank 1: its factor is nan; it must be finite and above 0"),
        (Disturbance(jitter: -1), "the jitter is -1.0; it must be a share of at least 0 and at most 10"),
    ])
    func aDisturbanceThatCannotBeIsRefused(_ disturbance: Disturbance, _ message: String) throws {
        let problem = #expect(throws: SimulationProblem.self) {
            try Simulator.simulate(pipeline(), costs: uniform(4), disturbance: disturbance)
        }
        #expect(problem?.description == message)
    }

    @Test func theTailFollowsEveryRank() throws {
        let tail = StepTail(reduction: [3, 3, 3, 3], optimizer: [1, 1, 1, 1])
        let timeline = try Simulator.simulate(pipeline(), costs: uniform(4), tail: tail)
        #expect(timeline.makespan == 33)
        #expect(timeline.duration == 37)
        #expect(timeline.ranks.map { $0.last?.end } == [37, 35, 33, 31])
        #expect(timeline.ranks.allSatisfy { $0.suffix(2).map(\.activity) == [.collective, .optimizer] })
        let times = try Simulator.stepTimes(
            pipeline(), costs: uniform(4), tail: tail, disturbance: Disturbance(), runs: 1)
        #expect(times.maximum == 37)
    }

    /// With two stages a rank the first reduction runs behind the last backwards of the other stage.
    @Test func anOverlappedReductionHides() throws {
        let schedule = try ScheduleName.interleaved.schedule(ranks: 2, virtualStages: 2, microbatches: 4)
        let waiting = StepTail(reduction: [2, 2, 2, 2], optimizer: [0, 0])
        var hidden = waiting
        hidden.overlapsReduction = true
        let slow = try Simulator.simulate(schedule, costs: uniform(4), tail: waiting)
        let fast = try Simulator.simulate(schedule, costs: uniform(4), tail: hidden)
        #expect(slow.duration == slow.makespan + 4)
        #expect(fast.duration == fast.makespan + 2)
        #expect(fast.ranks.allSatisfy { zip($0, $0.dropFirst()).allSatisfy { $0.start <= $1.start } })
    }

    @Test func aTailOfTheWrongSizeIsRefused() throws {
        #expect(throws: SimulationProblem.costs("reduction costs are given for 1 stages, the schedule has 4")) {
            try Simulator.simulate(pipeline(), costs: uniform(4), tail: StepTail(reduction: [1], optimizer: []))
        }
    }
}

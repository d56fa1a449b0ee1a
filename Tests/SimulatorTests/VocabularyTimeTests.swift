import Schedules
import Simulator
import Testing

/// Times of pipelines whose ranks divide the vocabulary.
@Suite struct VocabularyTimeTests {
    private static func schedule(_ vocabulary: VocabularyParallel, ranks: Int, microbatches: Int) throws -> Schedule {
        try ScheduleName.oneForwardOneBackward.schedule(
            PipelineShape(ranks: ranks, microbatches: microbatches, vocabulary: vocabulary))
    }

    private static func costs(
        _ ranks: Int, forward: Double = 1, softmax: Double = 0.5, gradient: Double = 0.5, exchange: Double = 0,
        transfer: Double = 0
    ) -> ActionCosts {
        let one = [Double](repeating: forward, count: ranks)
        return ActionCosts(
            forward: one, backwardInput: one, backwardWeight: one, transfer: transfer,
            vocabulary: ActionCosts.Vocabulary(
                softmax: softmax, gradient: gradient, broadcast: exchange, firstBarrier: 1.5 * exchange,
                secondBarrier: 2 * exchange))
    }

    /// The ends of all actions, found by going round until nothing moves: an action starts after the one before it in its
    /// list, and after everything that it needs.
    private static func ends(_ schedule: Schedule, _ costs: ActionCosts, _ of: VocabularyParallel) throws -> [[Double]]
    {
        let vocabulary = try #require(costs.vocabulary)
        let (p, m) = (schedule.ranks, schedule.microbatches)
        var ends = schedule.actions.map { $0.map { _ in 0.0 } }
        var place: [Action: (Int, Int)] = [:]
        for (rank, list) in schedule.actions.enumerated() {
            for (position, action) in list.enumerated() { place[action] = (rank, position) }
        }
        func end(_ kind: Action.Kind, _ stage: Int, _ microbatch: Int) -> Double {
            place[Action(kind, stage: stage, microbatch: microbatch)].map { ends[$0.0][$0.1] } ?? .infinity
        }
        func all(_ kind: Action.Kind, _ microbatch: Int) -> Double {
            (0..<p).reduce(0) { max($0, end(kind, $1, microbatch)) }
        }
        for _ in 0..<(8 * p * m) {
            var moved = false
            for (rank, list) in schedule.actions.enumerated() {
                var free = 0.0
                for (position, action) in list.enumerated() {
                    let (stage, i) = (Int(action.stage), Int(action.microbatch))
                    let (ready, length): (Double, Double)
                    switch action.kind {
                    case .forward:
                        ready = stage == 0 ? 0 : end(.forward, stage - 1, i) + costs.transfer
                        length = costs.forward[stage]
                    case .softmax:
                        (ready, length) = (end(.forward, p - 1, i) + vocabulary.broadcast, vocabulary.softmax)
                    case .outputGradient:
                        (ready, length) = (all(.softmax, i) + vocabulary.firstBarrier, vocabulary.gradient)
                    default:
                        ready =
                            stage < p - 1
                            ? end(.backward, stage + 1, i) + costs.transfer
                            : of == .oneBarrier
                                ? all(.softmax, i) + vocabulary.firstBarrier
                                : all(.outputGradient, i) + vocabulary.secondBarrier
                        length = costs.backward[stage]
                    }
                    free = max(free, ready) + length
                    if ends[rank][position] != free { (ends[rank][position], moved) = (free, true) }
                }
            }
            if !moved { break }
        }
        return ends
    }

    @Test(arguments: VocabularyParallel.allCases)
    func timesAreTheLeastThatTheRulesAllow(_ vocabulary: VocabularyParallel) throws {
        for (ranks, microbatches, exchange, transfer) in [
            (2, 1, 0.25, 0.5), (2, 5, 0, 0), (3, 2, 0.5, 0.25), (4, 9, 0.125, 0.0625), (5, 12, 2, 0.5), (6, 3, 0, 1),
        ] {
            let schedule = try Self.schedule(vocabulary, ranks: ranks, microbatches: microbatches)
            var costs = Self.costs(ranks, softmax: 0.375, gradient: 0.75, exchange: exchange, transfer: transfer)
            for stage in 0..<ranks { costs.forward[stage] += 0.125 * Double(stage % 2) }
            let ends = try Self.ends(schedule, costs, vocabulary)
            let timeline = try Simulator.simulate(schedule, costs: costs)
            let found = timeline.ranks.map { $0.filter { $0.activity == .compute }.map(\.end) }
            #expect(found == ends, "\(ranks) × \(microbatches)")
            #expect(try Simulator.makespan(schedule, costs: costs) == timeline.makespan)
            // A second run of one engine starts from nothing.
            #expect(
                try Simulator.makespans(schedule, costs: [costs, costs]) == [timeline.makespan, timeline.makespan])
            let exchanges = timeline.ranks[0].filter { $0.activity == .collective }
            #expect(exchanges.count == (exchange == 0 ? 0 : (1 + vocabulary.barriers) * microbatches))
        }
    }

    /// In the steady state no rank waits: a micro-batch more takes its own work (section 5.2 of the paper), although every
    /// micro-batch has exchanges among all ranks.
    @Test(arguments: VocabularyParallel.allCases)
    func noRankWaitsInTheSteadyState(_ vocabulary: VocabularyParallel) throws {
        for ranks in 2...16 {
            let costs = Self.costs(ranks, softmax: 0.25, gradient: 0.25, exchange: 0.05)
            func makespan(_ microbatches: Int) throws -> Double {
                try Simulator.makespan(
                    Self.schedule(vocabulary, ranks: ranks, microbatches: microbatches), costs: costs)
            }
            let more = (try makespan(8 * ranks) - makespan(4 * ranks)) / Double(4 * ranks)
            #expect(abs(more - 3.5) < 0.02, "\(ranks): \(more)")
        }
    }

    /// The last stage of 1F1B with the whole output layer takes its work once a micro-batch more.
    @Test func dividingIsFasterThanTheWholeOutputLayerOnTheLastStage() throws {
        let (ranks, microbatches) = (8, 64)
        var whole = Self.costs(ranks)
        whole.forward[ranks - 1] += 0.25 * Double(ranks)
        whole.backward[ranks - 1] += 0.5 * Double(ranks)
        let last = try Simulator.makespan(
            ScheduleName.oneForwardOneBackward.schedule(ranks: ranks, virtualStages: 1, microbatches: microbatches),
            costs: whole)
        let divided = try Simulator.makespan(
            Self.schedule(.oneBarrier, ranks: ranks, microbatches: microbatches),
            costs: Self.costs(ranks, softmax: 0.5, gradient: 0.25))
        #expect(last / divided > 2)
    }

    @Test func timesAreAskedFor() throws {
        let schedule = try Self.schedule(.oneBarrier, ranks: 2, microbatches: 2)
        var costs = Self.costs(2)
        costs.vocabulary = nil
        #expect(throws: SimulationProblem.costs("the schedule has S and T, for which no times are given")) {
            try Simulator.makespan(schedule, costs: costs)
        }
        costs = Self.costs(2, softmax: .nan)
        #expect(throws: SimulationProblem.costs("the S cost is nan; it must be a finite time of at least 0")) {
            try Simulator.makespan(schedule, costs: costs)
        }
    }
}

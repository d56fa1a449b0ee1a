package import Schedules

/// Times a schedule: when every rank does what, from the times of every action and transfer.
package enum Simulator {
    /// The predicted timeline. Every action has a compute span. When transfers take time, every message has a send span on
    /// its sender and a receive span on its receiver. The spans of the step's tail follow.
    /// - Parameter run: the number of the run among those of the disturbance's seed.
    /// - Throws: the broken rule of the lists, or the cost that is not a time.
    package static func simulate(
        _ schedule: Schedule, costs: ActionCosts, tail: StepTail? = nil, disturbance: Disturbance = Disturbance(),
        run: Int = 0
    ) throws(SimulationProblem) -> Timeline {
        var engine = try engine(schedule, costs: costs, tail: tail, disturbance: disturbance, keepsTimes: true)
        let slowdown = disturbance.slowdown(ranks: schedule.ranks)
        engine.run(slowdown: slowdown, noise: noise(disturbance, run: run))
        var ranks: [[Timeline.Span]] = []
        ranks.reserveCapacity(schedule.ranks)
        for (rank, list) in schedule.actions.enumerated() {
            var spans: [Timeline.Span] = []
            spans.reserveCapacity(list.count * (costs.transfer > 0 ? 3 : 1))
            for (index, action) in zip(engine.schedule.firstAction[rank]..., list) {
                spans.append(
                    Timeline.Span(.compute, action: action, start: engine.start[index], end: engine.end[index]))
            }
            if costs.transfer > 0 { appendTransfers(of: rank, schedule, to: &spans, engine) }
            if let vocabulary = schedule.vocabulary { appendExchanges(vocabulary, schedule, to: &spans, engine) }
            if let tail {
                spans += tailSpans(tail, rank: rank, schedule, engine, slowdown: slowdown?[rank] ?? 1)
                if tail.overlapsReduction { spans.sort { $0.start < $1.start } }
            }
            ranks.append(spans)
        }
        return Timeline(name: schedule.title, ranks: ranks)
    }

    /// The end of the last action, as `simulate` finds it. No spans are built.
    /// - Throws: the broken rule of the lists, or the cost that is not a time.
    package static func makespan(
        _ schedule: Schedule, costs: ActionCosts, disturbance: Disturbance = Disturbance()
    ) throws(SimulationProblem) -> Double {
        var engine = try engine(schedule, costs: costs, tail: nil, disturbance: disturbance, keepsTimes: false)
        engine.run(slowdown: disturbance.slowdown(ranks: schedule.ranks), noise: noise(disturbance, run: 0))
        return engine.makespan
    }

    /// The end of the last action for each of several costs. The lists are checked once.
    /// - Throws: the broken rule of the lists, or the cost that is not a time.
    package static func makespans(
        _ schedule: Schedule, costs: [ActionCosts]
    ) throws(SimulationProblem) -> [Double] {
        let valid: ValidSchedule
        do throws(ScheduleViolation) { valid = try ValidSchedule(schedule) } catch { throw .schedule(error) }
        for costs in costs { try costs.validate(stages: schedule.stages, vocabulary: schedule.vocabulary != nil) }
        return costs.map { costs in
            var engine = Engine(valid, costs: costs, keepsTimes: false)
            engine.run()
            return engine.makespan
        }
    }

    /// Times of the whole step, tail included, over `runs` runs with random delays. Equal seeds give equal times.
    /// - Parameter runs: at least 1.
    /// - Throws: the broken rule of the lists, or the cost that is not a time.
    package static func stepTimes(
        _ schedule: Schedule, costs: ActionCosts, tail: StepTail? = nil, disturbance: Disturbance, runs: Int
    ) throws(SimulationProblem) -> StepTimes {
        guard runs >= 1 else { throw .costs("\(runs) runs; at least 1 is needed") }
        var engine = try engine(
            schedule, costs: costs, tail: tail, disturbance: disturbance, keepsTimes: tail != nil)
        let slowdown = disturbance.slowdown(ranks: schedule.ranks)
        var times: [Double] = []
        times.reserveCapacity(runs)
        for run in 0..<runs {
            engine.run(slowdown: slowdown, noise: noise(disturbance, run: run))
            var time = engine.makespan
            if let tail {
                for rank in 0..<schedule.ranks {
                    let spans = tailSpans(tail, rank: rank, schedule, engine, slowdown: slowdown?[rank] ?? 1)
                    time = spans.lazy.map(\.end).reduce(time, max)
                }
            }
            times.append(time)
        }
        return StepTimes(times)
    }

    private static func engine(
        _ schedule: Schedule, costs: ActionCosts, tail: StepTail?, disturbance: Disturbance, keepsTimes: Bool
    ) throws(SimulationProblem) -> Engine {
        let valid: ValidSchedule
        do throws(ScheduleViolation) { valid = try ValidSchedule(schedule) } catch { throw .schedule(error) }
        try costs.validate(stages: schedule.stages, vocabulary: schedule.vocabulary != nil)
        try tail?.validate(stages: schedule.stages, ranks: schedule.ranks)
        try disturbance.validate(ranks: schedule.ranks)
        return Engine(valid, costs: costs, keepsTimes: keepsTimes)
    }

    private static func noise(_ disturbance: Disturbance, run: Int) -> Noise? {
        disturbance.jitter > 0 ? Noise(jitter: disturbance.jitter, seed: disturbance.seed, run: run) : nil
    }

    /// The spans of a rank's tail after a run.
    private static func tailSpans(
        _ tail: StepTail, rank: Int, _ schedule: Schedule, _ engine: Engine, slowdown: Double
    ) -> [Timeline.Span] {
        var ends: [Int: Double] = [:]
        var free = 0.0
        for (index, action) in zip(engine.schedule.firstAction[rank]..., schedule.actions[rank]) {
            free = engine.end[index]
            switch action.kind {
            case .backward, .backwardWeight: ends[Int(action.stage)] = free
            case .fused: ends[Int(action.partnerStage)] = free
            case .forward, .backwardInput, .softmax, .outputGradient: break
            }
        }
        return tail.spans(
            rank: rank, ends: ends.map { (stage: $0.key, end: $0.value) }, free: free, slowdown: slowdown)
    }

    /// Adds the exchanges among all ranks that a divided vocabulary needs, keeping the spans in order of their start.
    private static func appendExchanges(
        _ vocabulary: VocabularyParallel, _ schedule: Schedule, to spans: inout [Timeline.Span], _ engine: Engine
    ) {
        for exchange in ValidSchedule.Exchange.allCases
        where exchange != .afterGradient || vocabulary == .twoBarriers {
            for microbatch in 0..<schedule.microbatches {
                let slot = engine.schedule.slot(exchange, microbatch: microbatch)
                let (start, end) = (engine.departure[slot], engine.arrival[slot])
                if end > start { spans.append(Timeline.Span(.collective, start: start, end: end)) }
            }
        }
        spans.sort { $0.start < $1.start }
    }

    /// Adds the messages that `rank` sends and receives, keeping the spans in order of their start.
    private static func appendTransfers(
        of rank: Int, _ schedule: Schedule, to spans: inout [Timeline.Span], _ engine: Engine
    ) {
        let last = schedule.stages - 1
        func append(_ activity: Timeline.Activity, _ kind: Transfer.Kind, into stage: Int, of action: Action, at: Int) {
            let microbatch = Int(action.microbatch)
            let peer = schedule.placement.rank(stage: at, microbatch: microbatch)
            guard peer != rank else { return }
            let slot = engine.schedule.slot(kind, into: stage, microbatch: microbatch)
            spans.append(
                Timeline.Span(
                    activity, action: action, start: engine.departure[slot], end: engine.arrival[slot], peer: peer))
        }
        for part in schedule.actions[rank].lazy.flatMap(\.parts) {
            let stage = Int(part.stage)
            // The action whose tensor travels: the part itself when sending, its neighbour's when receiving.
            switch part.kind {
            case .forward:
                if stage < last { append(.send, .activation, into: stage + 1, of: part, at: stage + 1) }
                if stage > 0 {
                    let producer = Action(.forward, stage: stage - 1, microbatch: Int(part.microbatch))
                    append(.receive, .activation, into: stage, of: producer, at: stage - 1)
                }
            case .backward, .backwardInput:
                if stage > 0 { append(.send, .gradient, into: stage - 1, of: part, at: stage - 1) }
                if stage < last {
                    let producer = Action(part.kind, stage: stage + 1, microbatch: Int(part.microbatch))
                    append(.receive, .gradient, into: stage, of: producer, at: stage + 1)
                }
            case .backwardWeight, .fused, .softmax, .outputGradient: break
            }
        }
        spans.sort { $0.start < $1.start }
    }
}

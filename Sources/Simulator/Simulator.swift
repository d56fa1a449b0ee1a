package import Schedules

/// Times a schedule: who does what when, given what every action and transfer takes.
package enum Simulator {
    /// The predicted timeline: one compute span an action and, when transfers take time, a send span on the sender and a
    /// receive span on the receiver of every message that crosses ranks.
    /// - Throws: the broken rule of the lists, or the cost that is not a time.
    package static func simulate(
        _ schedule: Schedule, costs: ActionCosts
    ) throws(SimulationProblem) -> Timeline {
        let engine = try run(schedule, costs: costs)
        var ranks: [[Timeline.Span]] = []
        ranks.reserveCapacity(schedule.ranks)
        for (rank, list) in schedule.actions.enumerated() {
            var spans: [Timeline.Span] = []
            spans.reserveCapacity(list.count * (costs.transfer > 0 ? 3 : 1))
            for (index, action) in zip(engine.firstAction[rank]..., list) {
                spans.append(
                    Timeline.Span(.compute, action: action, start: engine.start[index], end: engine.end[index]))
            }
            if costs.transfer > 0 { appendTransfers(of: rank, to: &spans, engine) }
            ranks.append(spans)
        }
        return Timeline(name: schedule.name, ranks: ranks)
    }

    /// The end of the last action: what `simulate` gives, without building the spans.
    /// - Throws: the broken rule of the lists, or the cost that is not a time.
    package static func makespan(_ schedule: Schedule, costs: ActionCosts) throws(SimulationProblem) -> Double {
        try run(schedule, costs: costs).end.max() ?? 0
    }

    private static func run(_ schedule: Schedule, costs: ActionCosts) throws(SimulationProblem) -> Engine {
        do throws(ScheduleViolation) { try schedule.validate() } catch { throw .schedule(error) }
        try costs.validate(stages: schedule.stages)
        var engine = Engine(schedule: schedule, costs: costs)
        engine.run()
        return engine
    }

    /// Adds the messages that `rank` sends and receives, keeping the spans in order of their start.
    private static func appendTransfers(of rank: Int, to spans: inout [Timeline.Span], _ engine: Engine) {
        let schedule = engine.schedule
        let last = schedule.stages - 1
        func append(_ activity: Timeline.Activity, _ kind: Transfer.Kind, into stage: Int, of action: Action, at: Int) {
            let microbatch = Int(action.microbatch)
            let peer = schedule.placement.rank(stage: at, microbatch: microbatch)
            guard peer != rank else { return }
            let slot = engine.slot(kind, into: stage, microbatch: microbatch)
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
            case .backwardWeight, .fused: break
            }
        }
        spans.sort { $0.start < $1.start }
    }
}

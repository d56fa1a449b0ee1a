internal import Schedules
internal import Simulator

/// Times list making and simulation over sizes; one line of JSON a size, for bench/schedules.py.
func measure(_ name: ScheduleName, ranks: Int, virtualStages: Int, microbatches: Int, splits: Bool) throws {
    let shape = PipelineShape(ranks: ranks, virtualStages: virtualStages, microbatches: microbatches)
    let clock = ContinuousClock()
    var best = Duration.seconds(1_000_000)
    var generating = best
    var actions = 0
    var makespan = 0.0
    // The best of a few: what the machine can do, not what else it was doing.
    for _ in 0..<5 {
        let began = clock.now
        var schedule = try name.schedule(shape)
        if splits { schedule.splitBackwards() }
        let made = clock.now
        let one = [Double](repeating: 1, count: schedule.stages)
        let costs = ActionCosts(forward: one, backwardInput: one, backwardWeight: one, transfer: 0.25)
        makespan = try Simulator.makespan(schedule, costs: costs)
        let ended = clock.now
        best = min(best, ended - began)
        generating = min(generating, made - began)
        actions = schedule.actions.reduce(0) { $0 + $1.count }
    }
    print(
        "{\"schedule\":\"\(name.rawValue)\",\"ranks\":\(ranks),\"virtualStages\":\(virtualStages),"
            + "\"microbatches\":\(microbatches),\"split\":\(splits),\"actions\":\(actions),\"makespan\":\(makespan),"
            + "\"seconds\":\(best / .seconds(1)),\"generating\":\(generating / .seconds(1))}")
}

extension Schedule {
    /// Every backward as its two halves, one after the other.
    mutating func splitBackwards() {
        for rank in actions.indices {
            var list: [Action] = []
            list.reserveCapacity(actions[rank].count * 3 / 2)
            for action in actions[rank] {
                guard action.kind == .backward else {
                    list.append(action)
                    continue
                }
                let (stage, microbatch) = (Int(action.stage), Int(action.microbatch))
                list.append(Action(.backwardInput, stage: stage, microbatch: microbatch))
                list.append(Action(.backwardWeight, stage: stage, microbatch: microbatch))
            }
            actions[rank] = list
        }
    }
}

for microbatches in [64, 128, 256, 512, 1024, 1408] {
    try measure(.interleaved, ranks: 64, virtualStages: 4, microbatches: microbatches, splits: true)
}
for (ranks, microbatches) in [(4, 32), (8, 64), (16, 128)] {
    try measure(.interleaved, ranks: ranks, virtualStages: 2, microbatches: microbatches, splits: true)
}

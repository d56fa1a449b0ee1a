internal import Schedules
internal import Simulator

/// Times list making and simulation over sizes; one line of JSON a size, for bench/schedules.py.
func measure(_ name: ScheduleName, ranks: Int, virtualStages: Int, microbatches: Int) throws {
    let shape = PipelineShape(ranks: ranks, virtualStages: virtualStages, microbatches: microbatches)
    let clock = ContinuousClock()
    var best = Duration.seconds(1_000_000)
    var generating = best
    var actions = 0
    var makespan = 0.0
    // The best of a few (of many where they are short): what the machine can do, not what else it was doing.
    for _ in 0..<(ranks * virtualStages * microbatches > 10_000 ? 5 : 200) {
        let began = clock.now
        let schedule = try name.schedule(shape)
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
            + "\"microbatches\":\(microbatches),\"actions\":\(actions),\"makespan\":\(makespan),"
            + "\"seconds\":\(best / .seconds(1)),\"generating\":\(generating / .seconds(1))}")
}

for microbatches in [64, 128, 256, 512, 1024, 1408] {
    try measure(.interleavedZeroBubble, ranks: 64, virtualStages: 4, microbatches: microbatches)
}
for (ranks, microbatches) in [(4, 32), (8, 64), (16, 128)] {
    try measure(.interleavedZeroBubble, ranks: ranks, virtualStages: 2, microbatches: microbatches)
}
try measure(.zeroBubbleV, ranks: 32, virtualStages: 2, microbatches: 512)
try measure(.oneForwardOneBackward, ranks: 64, virtualStages: 1, microbatches: 512)

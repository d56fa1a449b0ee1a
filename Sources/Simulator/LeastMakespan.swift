package import Schedules

extension Simulator {
    /// A lower bound of the end of the last action, whatever the order of the lists: no rank begins before the first tensor
    /// has come to it, each does all of its own work, and after its last whole backward the gradient goes on to the first
    /// stage. 0: micro-batches pass the stages in both directions, or passes are fused.
    /// - Parameter costs: times of as many stages as the schedule has, as `makespan` takes them.
    package static func leastMakespan(_ name: ScheduleName, _ shape: PipelineShape, costs: ActionCosts) -> Double {
        guard !name.isBidirectional, !name.fusesPasses, costs.vocabulary == nil, costs.transfers == nil else {
            return 0
        }
        let rankOfStage = name.placement(shape).stageToRank
        let stages = rankOfStage.count
        guard min(costs.forward.count, costs.backward.count) >= stages else { return 0 }
        var (before, after, work) = (
            [Double](repeating: .infinity, count: shape.ranks), [Double](repeating: .infinity, count: shape.ranks),
            [Double](repeating: 0, count: shape.ranks)
        )
        var (forward, backward) = (0.0, 0.0)
        for stage in 0..<stages {
            let rank = rankOfStage[stage]
            if stage > 0 {
                let transfer = rankOfStage[stage - 1] == rank ? 0 : costs.transfer
                forward += costs.forward[stage - 1] + transfer
                backward += name.splitsBackward ? 0 : costs.backward[stage - 1] + transfer
            }
            before[rank] = min(before[rank], forward)
            after[rank] = min(after[rank], backward)
            work[rank] +=
                costs.forward[stage]
                + min(costs.backward[stage], costs.backwardInput[stage] + costs.backwardWeight[stage])
        }
        return (0..<shape.ranks).reduce(0) {
            max($0, before[$1] + Double(shape.microbatches) * work[$1] + after[$1])
        }
    }

    /// Whether `costs` can be timed with a schedule of so many stages.
    package static func canTime(_ costs: ActionCosts, stages: Int) -> Bool {
        (try? costs.validate(stages: stages)) != nil
    }
}

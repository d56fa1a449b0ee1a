internal import Schedules

/// The discrete-event core: gives every action and message of a valid schedule its start and end.
///
/// A rank runs its list strictly in order, one action at a time; an action starts when its rank is free and its input
/// has arrived. A full backward publishes its input gradient only at its end, a fused action both of its outputs.
/// Everything that a rank's action can delay (the rank itself, the links out of it) is touched by that rank alone, in
/// the order of its list, so any order of processing that respects arrivals gives the same times: ranks run ahead until
/// an input is missing and are woken by it. Linear in the number of actions; nothing is allocated on the way but
/// a link when it is first used.
struct Engine {
    let schedule: Schedule
    let costs: ActionCosts
    private let stages: Int
    private let microbatches: Int

    /// Start of every action, rank after rank; `firstAction[rank]` is the index of a rank's first.
    private(set) var start: [Double]
    private(set) var end: [Double]
    private(set) var firstAction: [Int]
    /// When each message left and arrived, by the input it becomes: activations, then gradients, each by stage and
    /// micro-batch. Not a number until it is sent.
    private(set) var departure: [Double]
    private(set) var arrival: [Double]

    /// When each rank is free again.
    private var free: [Double]
    /// When each directed link is free again, by sender: the few ranks it sends to, in the order they were met.
    private var links: [[Link]]
    /// The rank that waits for an input, −1 if none.
    private var waiting: [Int32]
    private var awake: [Int]

    private struct Link {
        var peer: Int
        var free: Double
    }

    init(schedule: Schedule, costs: ActionCosts) {
        self.schedule = schedule
        self.costs = costs
        stages = schedule.stages
        microbatches = schedule.microbatches
        firstAction = [0]
        for list in schedule.actions { firstAction.append(firstAction[firstAction.count - 1] + list.count) }
        let actions = firstAction[firstAction.count - 1]
        let inputs = 2 * stages * microbatches
        start = [Double](repeating: 0, count: actions)
        end = start
        departure = [Double](repeating: .nan, count: inputs)
        arrival = departure
        free = [Double](repeating: 0, count: schedule.ranks)
        links = [[Link]](repeating: [], count: costs.transferMode == .link ? schedule.ranks : 0)
        waiting = [Int32](repeating: -1, count: inputs)
        awake = Array(0..<schedule.ranks)
    }

    /// Runs the whole schedule.
    mutating func run() {
        var position = firstAction
        while let rank = awake.popLast() {
            let first = firstAction[rank]
            while position[rank] < firstAction[rank + 1] {
                let action = schedule.actions[rank][position[rank] - first]
                guard let ready = ready(action, rank: rank) else { break }
                let done = ready + duration(action)
                start[position[rank]] = ready
                end[position[rank]] = done
                free[rank] = done
                position[rank] += 1
                publish(action, rank: rank, at: done)
            }
        }
    }

    /// When `action` can start, or nil if it waits for an input, in which case that input will wake the rank.
    private mutating func ready(_ action: Action, rank: Int) -> Double? {
        var time = free[rank]
        if let input = input(action.kind, stage: action.stage, microbatch: action.microbatch) {
            guard let arrived = arrived(input, for: rank) else { return nil }
            time = max(time, arrived)
        }
        if action.kind == .fused,
            let input = input(.backward, stage: action.partnerStage, microbatch: action.partnerMicrobatch)
        {
            guard let arrived = arrived(input, for: rank) else { return nil }
            time = max(time, arrived)
        }
        return time
    }

    private mutating func arrived(_ input: Int, for rank: Int) -> Double? {
        if arrival[input].isNaN {
            waiting[input] = Int32(rank)
            return nil
        }
        return arrival[input]
    }

    private func duration(_ action: Action) -> Double {
        let stage = Int(action.stage)
        switch action.kind {
        case .forward: return costs.forward[stage]
        case .backward: return costs.backward[stage]
        case .backwardInput: return costs.backwardInput[stage]
        case .backwardWeight: return costs.backwardWeight[stage]
        case .fused: return (costs.forward[stage] + costs.backward[Int(action.partnerStage)]) * costs.fusedShare
        }
    }

    private mutating func publish(_ action: Action, rank: Int, at time: Double) {
        switch action.kind {
        case .forward, .backward, .backwardInput:
            send(action.kind, stage: action.stage, microbatch: action.microbatch, from: rank, at: time)
        case .fused:
            send(.forward, stage: action.stage, microbatch: action.microbatch, from: rank, at: time)
            send(.backward, stage: action.partnerStage, microbatch: action.partnerMicrobatch, from: rank, at: time)
        case .backwardWeight: break
        }
    }

    private mutating func send(_ kind: Action.Kind, stage: Int32, microbatch: Int32, from rank: Int, at time: Double) {
        let next = Int(stage) + (kind == .forward ? 1 : -1)
        guard next >= 0, next < stages else { return }
        let slot =
            (kind == .forward ? 0 : stages * microbatches) + next * microbatches + Int(microbatch)
        let peer = schedule.placement.rank(stage: next, microbatch: Int(microbatch))
        if peer == rank {
            departure[slot] = time
            arrival[slot] = time
        } else {
            switch costs.transferMode {
            case .asynchronous:
                departure[slot] = time
                arrival[slot] = time + costs.transfer
            case .link:
                departure[slot] = occupy(linkFrom: rank, to: peer, at: time)
                arrival[slot] = departure[slot] + costs.transfer
            case .blocking:
                departure[slot] = free[rank]
                arrival[slot] = free[rank] + costs.transfer
                free[rank] = arrival[slot]
            }
        }
        if waiting[slot] >= 0 { awake.append(Int(waiting[slot])) }
    }

    /// Takes a link for one transfer as soon as it is free; the time at which that is.
    private mutating func occupy(linkFrom rank: Int, to peer: Int, at time: Double) -> Double {
        let index = links[rank].firstIndex { $0.peer == peer } ?? links[rank].count
        if index == links[rank].count { links[rank].append(Link(peer: peer, free: 0)) }
        let begin = max(time, links[rank][index].free)
        links[rank][index].free = begin + costs.transfer
        return begin
    }

    /// The slot of the tensor an action waits for from a neighbouring stage, nil if it needs none.
    private func input(_ kind: Action.Kind, stage: Int32, microbatch: Int32) -> Int? {
        let index = Int(stage) * microbatches + Int(microbatch)
        switch kind {
        case .forward, .fused: return stage == 0 ? nil : index
        case .backward, .backwardInput: return Int(stage) == stages - 1 ? nil : stages * microbatches + index
        case .backwardWeight: return nil
        }
    }

    /// Where a message into `stage` is filed: activations come from the stage below, gradients from the one above.
    func slot(_ kind: Transfer.Kind, into stage: Int, microbatch: Int) -> Int {
        (kind == .activation ? 0 : stages * microbatches) + stage * microbatches + microbatch
    }
}

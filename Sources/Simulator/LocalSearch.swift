internal import Schedules

/// Makes lists faster by exchanging neighbours along the critical path: the makespan can only shrink if some action on
/// the path comes earlier on its rank (Nowicki and Smutnicki 1996). Exchanges that change nothing are taken too, so that
/// the search can leave a plateau. The best lists are kept.
struct LocalSearch {
    private let instance: SchedulingInstance
    private var lists: [[Action]]
    private var state: UInt64 = 0x2545_F491_4F6C_DD1D

    init(_ instance: SchedulingInstance, lists: [[Action]]) {
        self.instance = instance
        self.lists = lists
    }

    /// The fastest lists found.
    /// - Parameters:
    ///   - effort: about how many actions are timed in all.
    ///   - bound: a makespan that no lists go below.
    mutating func run(effort: Int, bound: Double) -> (lists: [[Action]], makespan: Double) {
        var left = effort
        guard var current = timed(lists, &left) else { return (lists, .infinity) }
        var best = (lists: lists, makespan: current.makespan)
        var stale = 0
        while left > 0, best.makespan > bound * (1 + 1e-12), stale < 400 {
            let pairs = criticalExchanges(current)
            guard !pairs.isEmpty else { break }
            stale += 1
            let (rank, position) = pairs[Int(random() % UInt64(pairs.count))]
            // One place earlier, or straight to where the rank last waited.
            let target = random() % 4 == 0 ? earliest(rank, position, current) : position - 1
            let action = lists[rank].remove(at: position)
            lists[rank].insert(action, at: target)
            if keepsToLimit(rank), let next = timed(lists, &left), next.makespan <= current.makespan {
                current = next
                if next.makespan < best.makespan {
                    best = (lists, next.makespan)
                    stale = 0
                }
            } else {
                lists[rank].remove(at: target)
                lists[rank].insert(action, at: position)
            }
        }
        return best
    }

    /// The lists timed, with the start and end of every action; nil if they cannot be run.
    private func timed(_ lists: [[Action]], _ left: inout Int) -> Engine? {
        let schedule = Schedule(
            name: "", ranks: instance.ranks, virtualStages: 1, microbatches: instance.microbatches,
            placement: instance.placement, actions: lists)
        left -= 2 * lists.reduce(0) { $0 + $1.count }
        guard let valid = try? ValidSchedule(schedule) else { return nil }
        var engine = Engine(valid, costs: instance.costs, keepsTimes: true)
        engine.run()
        return engine
    }

    /// Whether a rank's list keeps to its limits. The order of an action and its gradients is checked when it is timed.
    private func keepsToLimit(_ rank: Int) -> Bool {
        instance.keepsToLimit(lists[rank], rank: rank)
    }

    /// Positions on the critical path of actions that waited for the action before them on the rank, and not for their
    /// input: exchanging the two may help.
    private func criticalExchanges(_ engine: Engine) -> [(rank: Int, position: Int)] {
        var found: [(rank: Int, position: Int)] = []
        let first = engine.schedule.firstAction
        guard
            var rank = lists.indices.first(where: { rank in
                first[rank + 1] > first[rank] && engine.end[first[rank + 1] - 1] == engine.makespan
            })
        else { return [] }
        var position = lists[rank].count - 1
        let positions = positionsOfProducers()
        var steps = engine.end.count
        while steps > 0 {
            steps -= 1
            let index = first[rank] + position
            let start = engine.start[index]
            let action = lists[rank][position]
            let input = arrival(of: action, engine)
            if position > 0, engine.end[index - 1] == start || input.map({ $0.time < start }) ?? true {
                if (input.map { $0.time < start } ?? true) && action != lists[rank][position - 1] {
                    found.append((rank, position))
                }
                position -= 1
                continue
            }
            guard let producer = input?.producer else { break }
            position = Int(positions[entry(of: producer)])
            guard position >= 0 else { break }
            rank = instance.placement.rank(stage: Int(producer.stage), microbatch: Int(producer.microbatch))
        }
        return found
    }

    /// Arrival of an action's input, and the action that produces it; nil if it needs none from another stage.
    private func arrival(of action: Action, _ engine: Engine) -> (time: Double, producer: Action)? {
        let (stage, microbatch) = (Int(action.stage), Int(action.microbatch))
        switch action.kind {
        case .forward, .fused:
            guard stage > 0 else { return nil }
            let slot = engine.schedule.slot(.activation, into: stage, microbatch: microbatch)
            return (engine.arrival[slot], Action(.forward, stage: stage - 1, microbatch: microbatch))
        case .backward, .backwardInput:
            guard stage < instance.stages - 1 else { return nil }
            let slot = engine.schedule.slot(.gradient, into: stage, microbatch: microbatch)
            return (engine.arrival[slot], Action(action.kind, stage: stage + 1, microbatch: microbatch))
        case .backwardWeight, .softmax, .outputGradient: return nil
        }
    }

    /// Positions of the forward and the input gradient of every stage and micro-batch in the list of their rank; −1 where
    /// there is none.
    private func positionsOfProducers() -> [Int32] {
        var positions = [Int32](repeating: -1, count: 2 * instance.stages * instance.microbatches)
        for list in lists {
            for (position, action) in list.enumerated() where action.kind != .backwardWeight {
                let entry = entry(of: action)
                if positions[entry] < 0 { positions[entry] = Int32(position) }
            }
        }
        return positions
    }

    /// Entry of an action in `positionsOfProducers()`. A full backward counts as its stage's input gradient: a neighbouring
    /// stage may have split its backward where this one did not.
    private func entry(of action: Action) -> Int {
        2 * (Int(action.stage) * instance.microbatches + Int(action.microbatch)) + (action.kind == .forward ? 0 : 1)
    }

    /// The earliest position on the rank at which the action's input exists.
    private func earliest(_ rank: Int, _ position: Int, _ engine: Engine) -> Int {
        let first = engine.schedule.firstAction[rank]
        let ready = arrival(of: lists[rank][position], engine)?.time ?? 0
        var target = position - 1
        while target > 0, engine.start[first + target - 1] >= ready { target -= 1 }
        return target
    }

    private mutating func random() -> UInt64 {
        // Marsaglia's xorshift64.
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state >> 11
    }
}

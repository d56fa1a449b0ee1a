internal import Schedules

/// Makes lists faster by exchanging neighbours along the critical path: the makespan can only shrink if some action on
/// it comes earlier on its rank (Nowicki and Smutnicki 1996). Exchanges that change nothing are taken too, so that the
/// walk can leave a plateau; the best lists are kept.
struct Improvement {
    private let statement: ScheduleProblemStatement
    private var lists: [[Action]]
    private var state: UInt64 = 0x2545_F491_4F6C_DD1D

    init(_ statement: ScheduleProblemStatement, lists: [[Action]]) {
        self.statement = statement
        self.lists = lists
    }

    /// - Parameters:
    ///   - effort: Actions timed in all, about.
    ///   - bound: A makespan that cannot be improved upon.
    func run(effort: Int, bound: Double) -> (lists: [[Action]], makespan: Double) {
        var walk = self
        return walk.walked(effort: effort, bound: bound)
    }

    private mutating func walked(effort: Int, bound: Double) -> (lists: [[Action]], makespan: Double) {
        var left = effort
        guard var current = timed(lists, &left) else { return (lists, .infinity) }
        var best = (lists: lists, makespan: current.makespan)
        var stale = 0
        while left > 0, best.makespan > bound * (1 + 1e-12), stale < 400 {
            let pairs = exchanges(current)
            guard !pairs.isEmpty else { break }
            stale += 1
            let (rank, position) = pairs[Int(random() % UInt64(pairs.count))]
            // One place earlier, or straight to where the rank last waited.
            let target = random() % 4 == 0 ? earliest(rank, position, current) : position - 1
            let action = lists[rank].remove(at: position)
            lists[rank].insert(action, at: target)
            if isLegal(rank), let next = timed(lists, &left), next.makespan <= current.makespan {
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

    private func timed(_ lists: [[Action]], _ left: inout Int) -> Engine? {
        let schedule = Schedule(
            name: "", ranks: statement.ranks, virtualStages: 1, microbatches: statement.microbatches,
            placement: statement.placement, actions: lists)
        left -= 2 * lists.reduce(0) { $0 + $1.count }
        guard let program = try? ScheduleProgram(schedule) else { return nil }
        var engine = Engine(program: program, costs: statement.costs, keepsTimes: true)
        engine.run()
        return engine
    }

    /// Whether a rank's list keeps to the limit; the order of an action and its own gradients is checked when timed.
    private func isLegal(_ rank: Int) -> Bool {
        statement.keepsToLimit(lists[rank], rank: rank)
    }

    /// Places on the critical path at which an action began the moment its neighbour on the rank ended, though its
    /// input was there before.
    private func exchanges(_ engine: Engine) -> [(rank: Int, position: Int)] {
        var found: [(rank: Int, position: Int)] = []
        let first = engine.program.firstAction
        guard
            var rank = lists.indices.first(where: { rank in
                first[rank + 1] > first[rank] && engine.end[first[rank + 1] - 1] == engine.makespan
            })
        else { return [] }
        var position = lists[rank].count - 1
        let places = producers()
        var steps = engine.end.count
        while steps > 0 {
            steps -= 1
            let index = first[rank] + position
            let begin = engine.start[index]
            let action = lists[rank][position]
            let input = arrival(of: action, engine)
            if position > 0, engine.end[index - 1] == begin || input.map({ $0.time < begin }) ?? true {
                if (input.map { $0.time < begin } ?? true) && action != lists[rank][position - 1] {
                    found.append((rank, position))
                }
                position -= 1
                continue
            }
            guard let producer = input?.producer else { break }
            position = Int(places[place(of: producer)])
            guard position >= 0 else { break }
            rank = statement.placement.rank(stage: Int(producer.stage), microbatch: Int(producer.microbatch))
        }
        return found
    }

    /// When the input of an action is there, and who makes it; nil if it needs none from another stage.
    private func arrival(of action: Action, _ engine: Engine) -> (time: Double, producer: Action)? {
        let (stage, microbatch) = (Int(action.stage), Int(action.microbatch))
        switch action.kind {
        case .forward, .fused:
            guard stage > 0 else { return nil }
            let slot = engine.program.slot(.activation, into: stage, microbatch: microbatch)
            return (engine.arrival[slot], Action(.forward, stage: stage - 1, microbatch: microbatch))
        case .backward, .backwardInput:
            guard stage < statement.stages - 1 else { return nil }
            let slot = engine.program.slot(.gradient, into: stage, microbatch: microbatch)
            return (engine.arrival[slot], Action(action.kind, stage: stage + 1, microbatch: microbatch))
        case .backwardWeight: return nil
        }
    }

    /// Where each stage's forward and input gradient of each micro-batch stand in the list of their rank; −1 where
    /// there is none. A walk along the critical path asks for thousands of them.
    private func producers() -> [Int32] {
        var places = [Int32](repeating: -1, count: 2 * statement.stages * statement.microbatches)
        for list in lists {
            for (position, action) in list.enumerated() where action.kind != .backwardWeight {
                let place = place(of: action)
                if places[place] < 0 { places[place] = Int32(position) }
            }
        }
        return places
    }

    /// Entry of an action in `producers()`. A full backward is its stage's input gradient: a neighbour may have split
    /// its backward where this stage did not.
    private func place(of action: Action) -> Int {
        2 * (Int(action.stage) * statement.microbatches + Int(action.microbatch)) + (action.kind == .forward ? 0 : 1)
    }

    /// The place after the last wait of the rank before `position`, where the action could begin if its input allows.
    private func earliest(_ rank: Int, _ position: Int, _ engine: Engine) -> Int {
        let first = engine.program.firstAction[rank]
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

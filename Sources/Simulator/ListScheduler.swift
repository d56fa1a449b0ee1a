internal import Schedules

/// How a rank chooses among the actions it could do next.
struct Preference: Hashable {
    /// What a rank does with weight gradients.
    enum Weights: Hashable {
        /// As soon as their input gradient is done.
        case atOnce
        /// When nothing else can begin before they would be done, by this share of their time.
        case inGaps(Double)
    }

    var weights: Weights
    /// Whether an input gradient goes before a forward when both are ready.
    var backwardFirst: Bool
    /// Whether forwards of a rank's later stages go before those of its earlier ones.
    var deepFirst: Bool
    /// Activations rank r may hold: `most` + `slope` · (p − 1 − r), within the limit.
    var most: Int
    var slope: Int

    /// Orders of preference worth trying, likely ones first.
    static func all(_ statement: ScheduleProblemStatement) -> [Preference] {
        let (p, v) = (statement.ranks, max(1, statement.stages / statement.ranks))
        let ceiling = min(statement.memoryLimits.max() ?? 1, statement.microbatches * v)
        var mosts: [(most: Int, slope: Int)] = []
        for (most, slope) in [
            (ceiling, 0), (2 * p * v - 1, 0), (p * v, 0), (v, 2), (v, 1), (1 + (v - 1) * p, 2), (1 + (v - 1) * p, 1),
            (p * v / 2 + 1, 0), (p + v, 0), (3 * p * v / 2, 0), (p * v + 1, 0), (v + 1, 1), (v + 1, 2),
        ] {
            let bounded = (most: max(1, min(most, ceiling)), slope: slope)
            if !mosts.contains(where: { $0 == bounded }) { mosts.append(bounded) }
        }
        var preferences: [Preference] = []
        for (most, slope) in mosts {
            for weights in [Weights.inGaps(1), .inGaps(0.5), .inGaps(0), .atOnce] {
                for deepFirst in v > 1 ? [true, false] : [true] {
                    for backwardFirst in [true, false] {
                        preferences.append(
                            Preference(
                                weights: weights, backwardFirst: backwardFirst, deepFirst: deepFirst, most: most,
                                slope: slope))
                    }
                }
            }
        }
        return preferences
    }
}

/// Makes lists by running the pipeline forward in time: whenever a rank is free it begins the action its preference
/// ranks first among those whose input is there. Micro-batches are alike, so each stage takes them in order.
struct ListScheduler {
    private let statement: ScheduleProblemStatement
    private let preference: Preference
    private let stages: Int
    private let count: Int
    private let stageToRank: [Int]
    /// Stages of each rank, in order.
    private let stagesOfRank: [[Int]]

    init(_ statement: ScheduleProblemStatement, _ preference: Preference) {
        self.statement = statement
        self.preference = preference
        stages = statement.stages
        count = statement.microbatches
        stageToRank = statement.placement.stageToRank
        var held = [[Int]](repeating: [], count: statement.ranks)
        for (stage, rank) in stageToRank.enumerated() { held[rank].append(stage) }
        stagesOfRank = held
    }

    /// Where the simulation of the choices stands.
    private struct State {
        /// Micro-batches each stage has begun.
        var forwards: [Int]
        var inputs: [Int]
        var weights: [Int]
        /// When the input of each stage's next actions arrives, by stage and micro-batch; infinite if not yet known.
        var activation: [Double]
        var gradient: [Double]
        var free: [Double]
        var held: [Int]
        var lists: [[Action]]
    }

    /// The lists, or nil if the limit stops all ranks.
    func lists() -> [[Action]]? {
        let costs = statement.costs
        var state = State(
            forwards: [Int](repeating: 0, count: stages), inputs: [Int](repeating: 0, count: stages),
            weights: [Int](repeating: 0, count: stages),
            activation: [Double](repeating: .infinity, count: stages * count),
            gradient: [Double](repeating: .infinity, count: stages * count),
            free: [Double](repeating: 0, count: statement.ranks), held: [Int](repeating: 0, count: statement.ranks),
            lists: [[Action]](repeating: [], count: statement.ranks))
        for microbatch in 0..<count { state.activation[microbatch] = 0 }
        var events = EventQueue()
        for rank in 0..<statement.ranks { events.push(0, rank) }
        var left = 3 * stages * count
        while let (time, rank) = events.pop() {
            // Woken while at work, or by something that is not enough.
            guard state.free[rank] <= time else { continue }
            guard let (kind, stage) = choice(rank, at: time, state) else {
                if let next = nextArrival(rank, after: time, state) { events.push(next, rank) }
                continue
            }
            let microbatch: Int
            let duration: Double
            switch kind {
            case .forward:
                microbatch = state.forwards[stage]
                state.forwards[stage] += 1
                state.held[rank] += 1
                duration = costs.forward[stage]
            case .backwardInput:
                microbatch = state.inputs[stage]
                state.inputs[stage] += 1
                duration = costs.backwardInput[stage]
            default:
                microbatch = state.weights[stage]
                state.weights[stage] += 1
                state.held[rank] -= 1
                duration = costs.backwardWeight[stage]
            }
            state.lists[rank].append(Action(kind, stage: stage, microbatch: microbatch))
            left -= 1
            let done = time + duration
            state.free[rank] = done
            events.push(done, rank)
            if kind == .forward, stage == stages - 1 { state.gradient[stage * count + microbatch] = done }
            let next = stage + (kind == .forward ? 1 : -1)
            guard kind != .backwardWeight, (0..<stages).contains(next) else { continue }
            let receiver = stageToRank[next]
            let crosses = receiver != rank
            let arrival = done + (crosses ? costs.transfer : 0)
            if crosses, costs.transferMode == .blocking { state.free[rank] = arrival }
            if kind == .forward {
                state.activation[next * count + microbatch] = arrival
            } else {
                state.gradient[next * count + microbatch] = arrival
            }
            if state.free[rank] > done { events.push(state.free[rank], rank) }
            if state.free[receiver] <= arrival { events.push(arrival, receiver) }
        }
        return left == 0 ? state.lists : nil
    }

    /// The action a free rank begins, nil if it waits.
    private func choice(_ rank: Int, at time: Double, _ state: State) -> (Action.Kind, Int)? {
        let own = stagesOfRank[rank]
        let cap = min(
            statement.memoryLimits[rank], preference.most + preference.slope * (statement.ranks - 1 - rank))
        var weight: Int?
        for stage in own where state.weights[stage] < state.inputs[stage] {
            if weight.map({ state.weights[stage] < state.weights[$0] }) ?? true { weight = stage }
        }
        if preference.weights == .atOnce, let weight { return (.backwardWeight, weight) }
        var input: Int?
        for stage in own where state.inputs[stage] < state.forwards[stage] {
            guard state.gradient[stage * count + state.inputs[stage]] <= time else { continue }
            if input.map({ state.inputs[stage] < state.inputs[$0] }) ?? true { input = stage }
        }
        var forward: Int?
        var isFull = false
        for (index, stage) in own.enumerated() where state.forwards[stage] < count {
            guard state.activation[stage * count + state.forwards[stage]] <= time else { continue }
            if statement.endsLossesAtOnce, stage == stages - 1, state.inputs[stage] < state.forwards[stage] { continue }
            // Room is kept for the way of one micro-batch through the rank's later stages.
            guard state.held[rank] + own.count - 1 - index < cap else {
                isFull = true
                continue
            }
            if preference.deepFirst || forward == nil { forward = stage }
        }
        if let input, preference.backwardFirst || forward == nil { return (.backwardInput, input) }
        if let forward { return (.forward, forward) }
        guard let weight else { return nil }
        if isFull { return (.backwardWeight, weight) }
        guard case .inGaps(let share) = preference.weights else { return (.backwardWeight, weight) }
        let next = nextArrival(rank, after: time, state) ?? .infinity
        let needed = statement.costs.backwardWeight[weight] * share
        return next - time >= needed - 1e-12 * time ? (.backwardWeight, weight) : nil
    }

    /// When the next input that is already on its way reaches a rank.
    private func nextArrival(_ rank: Int, after time: Double, _ state: State) -> Double? {
        var next = Double.infinity
        for stage in stagesOfRank[rank] {
            if state.forwards[stage] < count {
                let arrival = state.activation[stage * count + state.forwards[stage]]
                if arrival > time { next = min(next, arrival) }
            }
            if state.inputs[stage] < state.forwards[stage] {
                let arrival = state.gradient[stage * count + state.inputs[stage]]
                if arrival > time { next = min(next, arrival) }
            }
        }
        return next < .infinity ? next : nil
    }
}

/// Times at which a rank has something to decide, earliest first; of equal times the lower rank.
private struct EventQueue {
    private var heap: [(time: Double, rank: Int)] = []

    mutating func push(_ time: Double, _ rank: Int) {
        heap.append((time, rank))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> (Double, Int)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            // Not a loop over an array of both children, which would be allocated at every step.
            let left = 2 * parent + 1
            if left < heap.count, heap[left] < heap[least] { least = left }
            if left + 1 < heap.count, heap[left + 1] < heap[least] { least = left + 1 }
            if least == parent { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

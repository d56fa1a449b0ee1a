internal import Schedules

/// Makes lists by running the pipeline forward in time. Whenever a rank is free it starts the action that its priority rule
/// puts first among those whose input exists. Micro-batches are alike, so each stage takes them in order.
struct ListScheduler {
    private let instance: SchedulingInstance
    private let rule: PriorityRule
    private let stages: Int
    private let count: Int
    private let stageToRank: [Int]
    /// Stages of each rank, in order.
    private let stagesOfRank: [[Int]]

    init(_ instance: SchedulingInstance, _ rule: PriorityRule) {
        self.instance = instance
        self.rule = rule
        stages = instance.stages
        count = instance.microbatches
        stageToRank = instance.placement.stageToRank
        var held = [[Int]](repeating: [], count: instance.ranks)
        for (stage, rank) in stageToRank.enumerated() { held[rank].append(stage) }
        stagesOfRank = held
    }

    /// The state of all ranks at one time.
    private struct State {
        /// By stage, the number of forwards started.
        var forwards: [Int]
        /// By stage, the number of input gradients started.
        var inputs: [Int]
        /// By stage, the number of weight gradients started.
        var weights: [Int]
        /// Arrival of each stage's input, by stage and micro-batch; infinite if not yet known.
        var activation: [Double]
        /// Arrival of each stage's output gradient, likewise.
        var gradient: [Double]
        /// By rank, the end of its last action.
        var free: [Double]
        /// By rank, the activations held.
        var held: [Int]
        var lists: [[Action]]
    }

    /// The lists, or nil if the limit stops all ranks.
    func lists() -> [[Action]]? {
        let costs = instance.costs
        var state = State(
            forwards: [Int](repeating: 0, count: stages), inputs: [Int](repeating: 0, count: stages),
            weights: [Int](repeating: 0, count: stages),
            activation: [Double](repeating: .infinity, count: stages * count),
            gradient: [Double](repeating: .infinity, count: stages * count),
            free: [Double](repeating: 0, count: instance.ranks), held: [Int](repeating: 0, count: instance.ranks),
            lists: [[Action]](repeating: [], count: instance.ranks))
        for microbatch in 0..<count { state.activation[microbatch] = 0 }
        var events = EventQueue()
        for rank in 0..<instance.ranks { events.push(0, rank) }
        var left = 3 * stages * count
        while let (time, rank) = events.pop() {
            // A rank may be woken while it works, or by an input that it cannot use yet.
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
            let arrival = done + (crosses ? costs.transfer(between: stage, next) : 0)
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

    /// The action that a free rank starts; nil if it waits.
    private func choice(_ rank: Int, at time: Double, _ state: State) -> (Action.Kind, Int)? {
        let own = stagesOfRank[rank]
        let cap = min(
            instance.memoryLimits[rank], rule.most + rule.slope * (instance.ranks - 1 - rank))
        var weight: Int?
        for stage in own where state.weights[stage] < state.inputs[stage] {
            if weight.map({ state.weights[stage] < state.weights[$0] }) ?? true { weight = stage }
        }
        if rule.weights == .atOnce, let weight { return (.backwardWeight, weight) }
        var input: Int?
        for stage in own where state.inputs[stage] < state.forwards[stage] {
            guard state.gradient[stage * count + state.inputs[stage]] <= time else { continue }
            if input.map({ state.inputs[stage] < state.inputs[$0] }) ?? true { input = stage }
        }
        var forward: Int?
        var isFull = false
        for (index, stage) in own.enumerated() where state.forwards[stage] < count {
            guard state.activation[stage * count + state.forwards[stage]] <= time else { continue }
            if instance.keepsOneLossPending, stage == stages - 1, state.inputs[stage] < state.forwards[stage] {
                continue
            }
            // One micro-batch must still fit on its way through the rank's later stages.
            guard state.held[rank] + own.count - 1 - index < cap else {
                isFull = true
                continue
            }
            if rule.deepFirst || forward == nil { forward = stage }
        }
        if let input, rule.backwardFirst || forward == nil { return (.backwardInput, input) }
        if let forward { return (.forward, forward) }
        guard let weight else { return nil }
        if isFull { return (.backwardWeight, weight) }
        guard case .inGaps(let share) = rule.weights else { return (.backwardWeight, weight) }
        let next = nextArrival(rank, after: time, state) ?? .infinity
        let needed = instance.costs.backwardWeight[weight] * share
        return next - time >= needed - 1e-12 * time ? (.backwardWeight, weight) : nil
    }

    /// Arrival of the next input that is on its way to a rank; nil if there is none.
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

/// Times at which a rank has to decide, earliest first; of equal times the lower rank first.
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

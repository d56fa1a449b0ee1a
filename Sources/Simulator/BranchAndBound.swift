internal import Schedules

/// Finds the fastest order for pipelines of a few actions: branch and bound over active schedules (Giffler and Thompson
/// 1960).
///
/// Of all actions that could come next, the one that would end first names a rank. The rank's next action must be one that
/// can start before that end: each of them is a branch. Micro-batches are alike, so each stage takes them in order.
struct BranchAndBound {
    /// Most actions of an instance that is searched.
    static let mostActions = 36
    /// Nodes after which the search gives up.
    private static let mostNodes = 400_000

    private let instance: SchedulingInstance
    private let stages: Int
    private let count: Int
    private let rankOf: [Int]
    private let bound: Double
    /// Time of the fastest lists so far.
    private var least: Double
    /// The fastest lists found; nil if none is faster than `below`.
    private(set) var best: [[Action]]?
    /// Whether every order that could be faster was tried.
    private(set) var isComplete = false
    private var nodes = 0
    /// Whether a faster order was dropped because its messages overtake each other. Similar orders were then not tried.
    private var droppedOvertaking = false

    /// A partial schedule.
    private struct Node {
        /// By stage, the number of forwards, input gradients and weight gradients done.
        var done: [[Int]]
        /// Arrival of each stage's input, by stage and micro-batch; infinite if not yet known.
        var activation: [Double]
        /// Arrival of each stage's output gradient, likewise.
        var gradient: [Double]
        /// By rank, the end of its last action.
        var free: [Double]
        /// By rank, the activations held.
        var held: [Int]
        /// By rank, the time of the actions that are left.
        var work: [Double]
        var lists: [[Action]]
    }

    /// - Parameters:
    ///   - below: only lists faster than this are searched for.
    ///   - bound: lists as fast as this end the search.
    init(_ instance: SchedulingInstance, below: Double, bound: Double) {
        self.instance = instance
        stages = instance.stages
        count = instance.microbatches
        rankOf = instance.placement.stageToRank
        least = below
        self.bound = bound
    }

    mutating func run() {
        // With messages that wait for links or block their sender the best order need not be active.
        guard instance.costs.transfer == 0 || instance.costs.transferMode == .asynchronous else { return }
        let costs = instance.costs
        var work = [Double](repeating: 0, count: instance.ranks)
        for stage in 0..<stages {
            work[rankOf[stage]] +=
                Double(count) * (costs.forward[stage] + costs.backwardInput[stage] + costs.backwardWeight[stage])
        }
        var activation = [Double](repeating: .infinity, count: stages * count)
        for microbatch in 0..<count { activation[microbatch] = 0 }
        branch(
            Node(
                done: [[Int]](repeating: [0, 0, 0], count: stages), activation: activation,
                gradient: [Double](repeating: .infinity, count: stages * count),
                free: [Double](repeating: 0, count: instance.ranks), held: [Int](repeating: 0, count: instance.ranks),
                work: work, lists: [[Action]](repeating: [], count: instance.ranks)))
        // Full backwards are not tried, so they must not be faster than their halves.
        let splits = zip(costs.backward, zip(costs.backwardInput, costs.backwardWeight)).allSatisfy {
            $0 >= ($1.0 + $1.1) * (1 - 1e-12)
        }
        isComplete = nodes < Self.mostNodes && splits && !droppedOvertaking
    }

    private mutating func branch(_ node: Node) {
        nodes += 1
        guard nodes < Self.mostNodes, least > bound * (1 + 1e-12) else { return }
        var ready: [(kind: Action.Kind, stage: Int, start: Double, end: Double)] = []
        for stage in 0..<stages {
            let rank = rankOf[stage]
            let (f, i, w) = (node.done[stage][0], node.done[stage][1], node.done[stage][2])
            func add(_ kind: Action.Kind, _ input: Double, _ time: Double) {
                let start = max(node.free[rank], input)
                if start < .infinity { ready.append((kind, stage, start, start + time)) }
            }
            let mayTurn = !instance.keepsOneLossPending || stage < stages - 1 || f == i
            if f < count, node.held[rank] < instance.memoryLimits[rank], mayTurn {
                add(.forward, node.activation[stage * count + f], instance.costs.forward[stage])
            }
            if i < f { add(.backwardInput, node.gradient[stage * count + i], instance.costs.backwardInput[stage]) }
            if w < i { add(.backwardWeight, 0, instance.costs.backwardWeight[stage]) }
        }
        guard let first = ready.min(by: { $0.end < $1.end }) else {
            let makespan = node.free.max() ?? 0
            // A shorter list means that the limit stopped all ranks.
            if node.lists.reduce(0, { $0 + $1.count }) == 3 * stages * count, makespan < least {
                // Where two stages of a rank send through one channel, messages may overtake each other.
                guard instance.makespan(of: node.lists) != nil else {
                    droppedOvertaking = true
                    return
                }
                least = makespan
                best = node.lists
            }
            return
        }
        for rank in node.free.indices where node.free[rank] + node.work[rank] >= least * (1 - 1e-12) { return }
        let rank = rankOf[first.stage]
        for choice in ready where rankOf[choice.stage] == rank && choice.start < first.end {
            branch(after(choice.kind, stage: choice.stage, start: choice.start, end: choice.end, node))
        }
    }

    private func after(_ kind: Action.Kind, stage: Int, start: Double, end: Double, _ node: Node) -> Node {
        var next = node
        let rank = rankOf[stage]
        let step = kind == .forward ? 0 : kind == .backwardInput ? 1 : 2
        let microbatch = node.done[stage][step]
        next.done[stage][step] += 1
        next.free[rank] = end
        next.work[rank] -= end - start
        next.held[rank] += kind == .forward ? 1 : kind == .backwardWeight ? -1 : 0
        next.lists[rank].append(Action(kind, stage: stage, microbatch: microbatch))
        if kind == .forward, stage == stages - 1 { next.gradient[stage * count + microbatch] = end }
        let receiver = stage + (kind == .forward ? 1 : -1)
        guard kind != .backwardWeight, (0..<stages).contains(receiver) else { return next }
        let arrival = end + (rankOf[receiver] == rank ? 0 : instance.costs.transfer(between: stage, receiver))
        if kind == .forward {
            next.activation[receiver * count + microbatch] = arrival
        } else {
            next.gradient[receiver * count + microbatch] = arrival
        }
        return next
    }
}

internal import Schedules

/// Tries every order that can be best, for pipelines of a few actions: branch and bound over active schedules (Giffler
/// and Thompson 1960). Of the actions that could come next the one that would end first names a rank; one of the actions
/// that could begin on that rank before then must be its next. Micro-batches are alike, so each stage takes them in
/// order.
struct ExactSearch {
    /// Actions beyond which it is not begun.
    static let mostActions = 36
    /// Nodes after which it gives up.
    private static let mostNodes = 400_000

    private let statement: ScheduleProblemStatement
    private let stages: Int
    private let count: Int
    private let rankOf: [Int]
    private let bound: Double
    /// The fastest so far.
    private var least: Double
    private(set) var best: [[Action]]?
    /// Whether no order was left untried that could have been faster.
    private(set) var isComplete = false
    private var nodes = 0
    /// Whether a faster order was passed over because it sends out of order: others of its kind were not looked for.
    private var sawOutOfOrder = false

    /// Per stage the micro-batches begun (forward, input gradient, weight gradient) and per rank its time.
    private struct Node {
        var done: [[Int]]
        var activation: [Double]
        var gradient: [Double]
        var free: [Double]
        var held: [Int]
        var work: [Double]
        var lists: [[Action]]
    }

    /// - Parameters:
    ///   - below: Only faster lists are of interest.
    ///   - bound: Lists this fast end the search.
    init(_ statement: ScheduleProblemStatement, below: Double, bound: Double) {
        self.statement = statement
        stages = statement.stages
        count = statement.microbatches
        rankOf = statement.placement.stageToRank
        least = below
        self.bound = bound
    }

    mutating func run() {
        // Messages that wait for links or hold up their sender are beyond the argument above.
        guard statement.costs.transfer == 0 || statement.costs.transferMode == .asynchronous else { return }
        let costs = statement.costs
        var work = [Double](repeating: 0, count: statement.ranks)
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
                free: [Double](repeating: 0, count: statement.ranks), held: [Int](repeating: 0, count: statement.ranks),
                work: work, lists: [[Action]](repeating: [], count: statement.ranks)))
        // A full backward of its own price is not among the orders tried.
        let splits = zip(costs.backward, zip(costs.backwardInput, costs.backwardWeight)).allSatisfy {
            $0 >= ($1.0 + $1.1) * (1 - 1e-12)
        }
        isComplete = nodes < Self.mostNodes && splits && !sawOutOfOrder
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
            let mayTurn = !statement.endsLossesAtOnce || stage < stages - 1 || f == i
            if f < count, node.held[rank] < statement.memoryLimits[rank], mayTurn {
                add(.forward, node.activation[stage * count + f], statement.costs.forward[stage])
            }
            if i < f { add(.backwardInput, node.gradient[stage * count + i], statement.costs.backwardInput[stage]) }
            if w < i { add(.backwardWeight, 0, statement.costs.backwardWeight[stage]) }
        }
        guard let first = ready.min(by: { $0.end < $1.end }) else {
            let makespan = node.free.max() ?? 0
            // Otherwise the limit stopped all ranks.
            if node.lists.reduce(0, { $0 + $1.count }) == 3 * stages * count, makespan < least {
                // Where two stages of a rank send by one channel, an order of the kind tried may break the channel's.
                guard statement.makespan(of: node.lists) != nil else {
                    sawOutOfOrder = true
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
        let arrival = end + (rankOf[receiver] == rank ? 0 : statement.costs.transfer)
        if kind == .forward {
            next.activation[receiver * count + microbatch] = arrival
        } else {
            next.gradient[receiver * count + microbatch] = arrival
        }
        return next
    }
}

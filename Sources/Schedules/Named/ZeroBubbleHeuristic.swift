/// The heuristic of Zero Bubble (Qi et al. 2023, arXiv 2401.10241, section 3.1; Sea AI Lab's automatic scheduler): a list for
/// one stage a rank, given the times of the three kinds of action and the activations a rank may hold.
///
/// Micro-batch by micro-batch, every rank gets at most one more forward (from the first rank to the last) and one more
/// input gradient (from the last to the first). Weight gradients go in where memory would run out, where a rank would
/// wait at least as long as one takes, or, with `fillsGreedily`, wherever it would wait at all. Three choices the heuristic
/// leaves open give eight lists; the first of the fastest is taken.
struct ZeroBubbleHeuristic {
    /// Times of a stage's actions and of a transfer, in any one unit.
    struct Costs: Hashable {
        var forward = 1
        var backwardInput = 1
        var backwardWeight = 1
        var transfer = 0
    }

    private enum Kind: UInt8 { case forward, backwardInput, backwardWeight }

    /// What the heuristic leaves open.
    private struct Choice {
        /// Whether a forward may start before, and end after, the first input gradient could run.
        var overrunsFirstBackward: Bool
        /// Whether a forward is left out when the next rank has two waiting and is busy anyway.
        var prefersBackward: Bool
        /// Whether gaps shorter than a weight gradient are filled too, as long as no rank has idled longer.
        var fillsGreedily: Bool

        static let all = [true, false].flatMap { overruns in
            [true, false].flatMap { prefers in
                [true, false].map { fills in
                    Choice(overrunsFirstBackward: overruns, prefersBackward: prefers, fillsGreedily: fills)
                }
            }
        }
    }

    private let p: Int
    private let m: Int
    private let costs: Costs
    /// Most activations a rank may hold; one is dropped by its weight gradient.
    private let limit: Int

    // Of each rank: actions done of each kind, time its last one ended, time idled since its first.
    private var forwards: [Int]
    private var inputs: [Int]
    private var weights: [Int]
    private var clock: [Int]
    private var idle: [Int]
    private var mostIdle = 0
    /// Ends of the forwards and of the input gradients, by rank and micro-batch.
    private var forwardEnd: [Int]
    private var inputEnd: [Int]
    private var order: [[Kind]]

    private init(_ shape: PipelineShape, costs: Costs, limit: Int) {
        (p, m) = (shape.ranks, shape.microbatches)
        self.costs = costs
        self.limit = limit
        let zeros = [Int](repeating: 0, count: p)
        (forwards, inputs, weights, clock, idle) = (zeros, zeros, zeros, zeros, zeros)
        forwardEnd = [Int](repeating: 0, count: p * m)
        inputEnd = forwardEnd
        order = [[Kind]](repeating: [], count: p)
        for rank in 0..<p { order[rank].reserveCapacity(3 * m) }
    }

    /// The list of every rank.
    /// - Parameter limit: most activations a rank may hold, at least 1.
    static func lists(_ shape: PipelineShape, costs: Costs = Costs(), limit: Int) -> [[Action]] {
        var best: (time: Int, order: [[Kind]])?
        let least = leastTime(shape, costs: costs, limit: limit)
        for choice in Choice.all {
            var attempt = ZeroBubbleHeuristic(shape, costs: costs, limit: limit)
            attempt.run(choice)
            let time = attempt.longestRank
            if best.map({ time < $0.time }) ?? true { best = (time, attempt.order) }
            if time <= least { break }
        }
        return (best?.order ?? []).enumerated().map { rank, kinds in
            var next = [0, 0, 0]
            return kinds.map { kind in
                defer { next[Int(kind.rawValue)] += 1 }
                let action: Action.Kind =
                    switch kind {
                    case .forward: .forward
                    case .backwardInput: .backwardInput
                    case .backwardWeight: .backwardWeight
                    }
                return Action(action, stage: rank, microbatch: next[Int(kind.rawValue)])
            }
        }
    }

    /// No list is faster: the first rank does all its work, and waits for the first input gradient to come back once it
    /// holds as many activations as it may.
    private static func leastTime(_ shape: PipelineShape, costs: Costs, limit: Int) -> Int {
        let (p, m) = (shape.ranks, shape.microbatches)
        let wait = p * costs.forward + (p - 1) * (costs.backwardInput + 2 * costs.transfer)
        let work = costs.forward + costs.backwardInput + costs.backwardWeight
        return m * work + max(0, wait - min(m, limit) * costs.forward)
    }

    /// Longest time from a rank's first action to its last.
    private var longestRank: Int {
        (0..<p).map { clock[$0] - forwardEnd[$0 * m] + costs.forward }.max() ?? 0
    }

    private mutating func run(_ choice: Choice) {
        warmUp(choice)
        for i in 1..<max(1, m) {
            let wanted = forwardsWanted(choice)
            for rank in 0..<p where wanted[rank] {
                while held(rank) >= limit, weights[rank] < inputs[rank] { put(.backwardWeight, rank) }
                if rank > 0 {
                    let arrival = forwardEnd[(rank - 1) * m + forwards[rank]] + costs.transfer
                    fill(rank, until: arrival, choice)
                }
                put(.forward, rank)
            }
            for rank in (0..<p).reversed() {
                if rank + 1 < p { fill(rank, until: inputEnd[(rank + 1) * m + i] + costs.transfer, choice) }
                if rank == 0, forwards[0] == m { while weights[0] < inputs[0] { put(.backwardWeight, 0) } }
                put(.backwardInput, rank)
            }
        }
        for rank in 0..<p { while weights[rank] < m { put(.backwardWeight, rank) } }
    }

    /// Up to and with the first input gradient of every rank.
    private mutating func warmUp(_ choice: Choice) {
        for rank in 0..<p { put(.forward, rank) }
        var more = [Int](repeating: 0, count: p)
        var firstBackward = forwardEnd[(p - 1) * m] + costs.backwardInput
        for rank in (0..<(p - 1)).reversed() {
            var time = clock[rank]
            while 1 + more[rank] < min(m, limit) {
                let arrival = firstBackward + costs.transfer
                if choice.overrunsFirstBackward ? time + costs.forward > arrival : time >= arrival { break }
                time += costs.forward
                more[rank] += 1
            }
            firstBackward = max(time, firstBackward + costs.transfer) + costs.backwardInput
        }
        for rank in 1..<max(1, p) {
            while more[rank] > 0, more[rank] >= more[rank - 1], 1 + more[rank] < m { more[rank] -= 1 }
        }
        for rank in 0..<p { for _ in 0..<more[rank] { put(.forward, rank) } }
        for rank in (0..<p).reversed() { put(.backwardInput, rank) }
    }

    /// Which ranks run one more forward before their next input gradient.
    private func forwardsWanted(_ choice: Choice) -> [Bool] {
        var wanted = (0..<p).map { forwards[$0] < m && !(choice.prefersBackward && canWait($0)) }
        // A rank feeds the next one: it goes on only if that does.
        for rank in (0..<(p - 1)).reversed() where !wanted[rank + 1] { wanted[rank] = false }
        return wanted
    }

    /// Whether the next rank has two forwards waiting and `rank` can leave its own out without idling longer than the
    /// idlest rank.
    private func canWait(_ rank: Int) -> Bool {
        guard rank + 1 < p, forwards[rank] >= forwards[rank + 1] + 2 else { return false }
        let next = clock[rank + 1] + costs.forward + costs.backwardInput + costs.transfer
        if clock[rank] >= next { return true }
        // Weight gradients that the forward needs to have room.
        let needed = min(max(0, held(rank) + 1 - limit), inputs[rank] - weights[rank])
        if clock[rank] + costs.forward + needed * costs.backwardWeight <= next { return false }
        return next - clock[rank] <= mostIdle - idle[rank]
    }

    /// Weight gradients of `rank` while it waits until `arrival`.
    private mutating func fill(_ rank: Int, until arrival: Int, _ choice: Choice) {
        while weights[rank] < inputs[rank], clock[rank] + costs.backwardWeight <= arrival { put(.backwardWeight, rank) }
        guard weights[rank] < inputs[rank], clock[rank] < arrival else { return }
        if choice.fillsGreedily || arrival - clock[rank] > mostIdle - idle[rank] { put(.backwardWeight, rank) }
    }

    private func held(_ rank: Int) -> Int { forwards[rank] - weights[rank] }

    private mutating func put(_ kind: Kind, _ rank: Int) {
        order[rank].append(kind)
        let wasIdle = clock[rank]
        switch kind {
        case .forward:
            let i = forwards[rank]
            let start = rank == 0 ? wasIdle : max(wasIdle, forwardEnd[(rank - 1) * m + i] + costs.transfer)
            if i > 0 { note(idle: start - wasIdle, rank) }
            clock[rank] = start + costs.forward
            forwardEnd[rank * m + i] = clock[rank]
            forwards[rank] += 1
        case .backwardInput:
            let i = inputs[rank]
            let start = rank == p - 1 ? wasIdle : max(wasIdle, inputEnd[(rank + 1) * m + i] + costs.transfer)
            note(idle: start - wasIdle, rank)
            clock[rank] = start + costs.backwardInput
            inputEnd[rank * m + i] = clock[rank]
            inputs[rank] += 1
        case .backwardWeight:
            clock[rank] = wasIdle + costs.backwardWeight
            weights[rank] += 1
        }
    }

    private mutating func note(idle time: Int, _ rank: Int) {
        idle[rank] += time
        mostIdle = max(mostIdle, idle[rank])
    }
}

/// The heuristic of Zero Bubble (Qi et al. 2023, arXiv 2401.10241, section 3.1; Sea AI Lab's automatic scheduler). It makes
/// lists for one stage a rank from the times of the three kinds of action and the activations that a rank may hold.
///
/// Micro-batch by micro-batch, every rank gets at most one more forward (from the first rank to the last) and one more
/// input gradient (from the last to the first). A weight gradient is inserted where the rank has no room for another
/// activation, where it would wait at least as long as the weight gradient takes, and, with `fillsGreedily`, wherever it
/// would wait. The heuristic leaves three choices open, which give eight lists: the first of the fastest is taken.
struct ZeroBubbleHeuristic {
    /// Times of a stage's actions and of a transfer, in any one unit.
    struct Ticks: Hashable {
        var forward = 1
        var backwardInput = 1
        var backwardWeight = 1
        var transfer = 0
    }

    private enum Kind: UInt8 { case forward, backwardInput, backwardWeight }

    /// The choices that the heuristic leaves open.
    private struct Choice {
        /// Whether a forward may start before, and end after, the first input gradient could run.
        var overrunsFirstBackward: Bool
        /// Whether a forward is put off when the next rank has two waiting and is busy anyway.
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
    private let ticks: Ticks
    /// Most activations a rank may hold. An activation is dropped by its weight gradient.
    private let limit: Int

    // By rank: the number of actions done of each kind.
    private var forwards: [Int]
    private var inputs: [Int]
    private var weights: [Int]
    /// End of each rank's last action.
    private var clock: [Int]
    /// Time that each rank has idled since its first action.
    private var idle: [Int]
    /// Idle time of the idlest rank.
    private var mostIdle = 0
    /// Ends of the forwards, and of the input gradients, by rank and micro-batch.
    private var forwardEnd: [Int]
    private var inputEnd: [Int]
    private var order: [[Kind]]

    private init(_ shape: PipelineShape, ticks: Ticks, limit: Int) {
        (p, m) = (shape.ranks, shape.microbatches)
        self.ticks = ticks
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
    static func lists(_ shape: PipelineShape, ticks: Ticks = Ticks(), limit: Int) -> [[Action]] {
        var best: (time: Int, order: [[Kind]])?
        let least = leastTime(shape, ticks: ticks, limit: limit)
        for choice in Choice.all {
            var attempt = ZeroBubbleHeuristic(shape, ticks: ticks, limit: limit)
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

    /// A bound that no list is faster than: the first rank does all its work, and waits for the first input gradient once it
    /// holds as many activations as it may.
    private static func leastTime(_ shape: PipelineShape, ticks: Ticks, limit: Int) -> Int {
        let (p, m) = (shape.ranks, shape.microbatches)
        let wait = p * ticks.forward + (p - 1) * (ticks.backwardInput + 2 * ticks.transfer)
        let work = ticks.forward + ticks.backwardInput + ticks.backwardWeight
        return m * work + max(0, wait - min(m, limit) * ticks.forward)
    }

    /// Longest time from a rank's first action to its last.
    private var longestRank: Int {
        (0..<p).map { clock[$0] - forwardEnd[$0 * m] + ticks.forward }.max() ?? 0
    }

    private mutating func run(_ choice: Choice) {
        warmUp(choice)
        for i in 1..<max(1, m) {
            let wanted = forwardsWanted(choice)
            for rank in 0..<p where wanted[rank] {
                while held(rank) >= limit, weights[rank] < inputs[rank] { append(.backwardWeight, rank) }
                if rank > 0 {
                    let arrival = forwardEnd[(rank - 1) * m + forwards[rank]] + ticks.transfer
                    fillGap(rank, until: arrival, choice)
                }
                append(.forward, rank)
            }
            for rank in (0..<p).reversed() {
                if rank + 1 < p { fillGap(rank, until: inputEnd[(rank + 1) * m + i] + ticks.transfer, choice) }
                if rank == 0, forwards[0] == m { while weights[0] < inputs[0] { append(.backwardWeight, 0) } }
                append(.backwardInput, rank)
            }
        }
        for rank in 0..<p { while weights[rank] < m { append(.backwardWeight, rank) } }
    }

    /// Appends everything up to the first input gradient of every rank, which is included.
    private mutating func warmUp(_ choice: Choice) {
        for rank in 0..<p { append(.forward, rank) }
        var more = [Int](repeating: 0, count: p)
        var firstBackward = forwardEnd[(p - 1) * m] + ticks.backwardInput
        for rank in (0..<(p - 1)).reversed() {
            var time = clock[rank]
            while 1 + more[rank] < min(m, limit) {
                let arrival = firstBackward + ticks.transfer
                if choice.overrunsFirstBackward ? time + ticks.forward > arrival : time >= arrival { break }
                time += ticks.forward
                more[rank] += 1
            }
            firstBackward = max(time, firstBackward + ticks.transfer) + ticks.backwardInput
        }
        for rank in 1..<max(1, p) {
            while more[rank] > 0, more[rank] >= more[rank - 1], 1 + more[rank] < m { more[rank] -= 1 }
        }
        for rank in 0..<p { for _ in 0..<more[rank] { append(.forward, rank) } }
        for rank in (0..<p).reversed() { append(.backwardInput, rank) }
    }

    /// The ranks that run one more forward before their next input gradient.
    private func forwardsWanted(_ choice: Choice) -> [Bool] {
        var wanted = (0..<p).map { forwards[$0] < m && !(choice.prefersBackward && canWait($0)) }
        // A rank feeds the next rank, so it goes on only if the next one does.
        for rank in (0..<(p - 1)).reversed() where !wanted[rank + 1] { wanted[rank] = false }
        return wanted
    }

    /// Whether the next rank has two forwards waiting and `rank` can put off its own without idling longer than the idlest
    /// rank.
    private func canWait(_ rank: Int) -> Bool {
        guard rank + 1 < p, forwards[rank] >= forwards[rank + 1] + 2 else { return false }
        let next = clock[rank + 1] + ticks.forward + ticks.backwardInput + ticks.transfer
        if clock[rank] >= next { return true }
        // Weight gradients that make room for the forward.
        let needed = min(max(0, held(rank) + 1 - limit), inputs[rank] - weights[rank])
        if clock[rank] + ticks.forward + needed * ticks.backwardWeight <= next { return false }
        return next - clock[rank] <= mostIdle - idle[rank]
    }

    /// Appends weight gradients to the list of a rank that waits until `arrival`.
    private mutating func fillGap(_ rank: Int, until arrival: Int, _ choice: Choice) {
        while weights[rank] < inputs[rank], clock[rank] + ticks.backwardWeight <= arrival {
            append(.backwardWeight, rank)
        }
        guard weights[rank] < inputs[rank], clock[rank] < arrival else { return }
        if choice.fillsGreedily || arrival - clock[rank] > mostIdle - idle[rank] { append(.backwardWeight, rank) }
    }

    private func held(_ rank: Int) -> Int { forwards[rank] - weights[rank] }

    private mutating func append(_ kind: Kind, _ rank: Int) {
        order[rank].append(kind)
        let wasIdle = clock[rank]
        switch kind {
        case .forward:
            let i = forwards[rank]
            let start = rank == 0 ? wasIdle : max(wasIdle, forwardEnd[(rank - 1) * m + i] + ticks.transfer)
            if i > 0 { addIdle(start - wasIdle, rank) }
            clock[rank] = start + ticks.forward
            forwardEnd[rank * m + i] = clock[rank]
            forwards[rank] += 1
        case .backwardInput:
            let i = inputs[rank]
            let start = rank == p - 1 ? wasIdle : max(wasIdle, inputEnd[(rank + 1) * m + i] + ticks.transfer)
            addIdle(start - wasIdle, rank)
            clock[rank] = start + ticks.backwardInput
            inputEnd[rank * m + i] = clock[rank]
            inputs[rank] += 1
        case .backwardWeight:
            clock[rank] = wasIdle + ticks.backwardWeight
            weights[rank] += 1
        }
    }

    private mutating func addIdle(_ time: Int, _ rank: Int) {
        idle[rank] += time
        mostIdle = max(mostIdle, idle[rank])
    }
}

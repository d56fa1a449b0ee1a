/// The automatic ZB-V scheduler of Sea AI Lab (Qi et al. 2023, arXiv 2401.10241, section 6). It finds the steady state of
/// the hand-made list step by step for given times, and a better beginning and end where there are fewer than 2p−1
/// micro-batches.
///
/// In every step each rank runs one more input gradient, on the way back where it can, then one more forward. A weight
/// gradient is inserted where the rank has no room for another activation, where it would wait at least as long as the
/// weight gradient takes, and wherever it would idle longer than the idlest rank. A run is repeated with the idle times of
/// the run before as allowance while that helps. Gaps may be filled before forwards and before gradients: of the four
/// combinations the first with the least idle time is taken.
struct ZeroBubbleVHeuristic {
    typealias Ticks = ZeroBubbleHeuristic.Ticks

    /// 0 and 1: forward out and back. 2 and 3: input gradient back and out. 4 and 5: weight gradient back and out.
    private typealias Pass = Int

    private let p: Int
    private let m: Int
    private let times: [Int]
    private let transfer: Int
    /// Most activations of a stage that a rank may hold. An activation is dropped by its weight gradient.
    private let limit: Int
    private let fillsBeforeForward: Bool
    private let fillsBeforeGradient: Bool
    /// Idle time of the idlest rank in the run before; nil in the first run.
    private let allowance: Int?
    /// How much less than that each rank idled in the run before.
    private let slack: [Int]

    /// Number of passes done, by rank · 6 + pass.
    private var done: [Int]
    /// End of each pass except weight gradients, −1 if not done: by (pass · p + rank) · m + micro-batch.
    private var end: [Int]
    private var clock: [Int]
    private var idle: [Int]
    private var mostIdle = 0
    private var held: [Int]
    private var order: [[UInt8]]
    /// By rank, the stages (0 back, 1 out) of its input gradients, oldest first.
    private var waiting: [[UInt8]]
    /// By rank, how many of these have had their weight gradient.
    private var served: [Int]

    private init(
        _ shape: PipelineShape, ticks: Ticks, fillsBeforeForward: Bool, fillsBeforeGradient: Bool, allowance: [Int]?
    ) {
        (p, m) = (shape.ranks, shape.microbatches)
        times = [ticks.forward, ticks.backwardInput, ticks.backwardWeight]
        transfer = ticks.transfer
        limit = 2 * p
        self.fillsBeforeForward = fillsBeforeForward
        self.fillsBeforeGradient = fillsBeforeGradient
        let most = allowance?.max()
        self.allowance = most
        slack = allowance?.map { (most ?? 0) - $0 } ?? [Int](repeating: 0, count: p)
        done = [Int](repeating: 0, count: 6 * p)
        end = [Int](repeating: -1, count: 4 * p * m)
        let zeros = [Int](repeating: 0, count: p)
        (clock, idle, held, served) = (zeros, zeros, zeros, zeros)
        order = [[UInt8]](repeating: [], count: p)
        waiting = order
        for rank in 0..<p {
            order[rank].reserveCapacity(6 * m)
            waiting[rank].reserveCapacity(2 * m)
        }
    }

    /// The list of every rank.
    static func lists(_ shape: PipelineShape, ticks: Ticks = Ticks()) -> [[Action]] {
        var best: ZeroBubbleVHeuristic?
        for fillsBeforeGradient in [true, false] {
            for fillsBeforeForward in [true, false] {
                var attempt = ZeroBubbleVHeuristic(
                    shape, ticks: ticks, fillsBeforeForward: fillsBeforeForward,
                    fillsBeforeGradient: fillsBeforeGradient, allowance: nil)
                attempt.run()
                var (last, found) = (attempt, attempt)
                while last.allowance.map({ last.mostIdle < $0 }) ?? true {
                    var next = ZeroBubbleVHeuristic(
                        shape, ticks: ticks, fillsBeforeForward: fillsBeforeForward,
                        fillsBeforeGradient: fillsBeforeGradient, allowance: last.idle)
                    next.run()
                    if next.mostIdle < found.mostIdle { found = next }
                    last = next
                }
                if best.map({ found.mostIdle < $0.mostIdle }) ?? true { best = found }
            }
        }
        return best?.lists() ?? []
    }

    private func lists() -> [[Action]] {
        order.enumerated().map { rank, passes in
            var next = [Int](repeating: 0, count: 6)
            return passes.map { pass in
                let pass = Int(pass)
                defer { next[pass] += 1 }
                let kind: Action.Kind = pass < 2 ? .forward : pass < 4 ? .backwardInput : .backwardWeight
                let isOut = (pass % 2 == 0) == (pass < 2)
                return Action(kind, stage: isOut ? rank : 2 * p - 1 - rank, microbatch: next[pass])
            }
        }
    }

    private mutating func run() {
        warmUp()
        for _ in 0..<2 * m {
            for rank in 0..<p { while held(rank) > limit, hasWaiting(rank) { appendWeight(rank) } }
            // Gradients on the way out pass from the last rank to the first, those on the way back from the first to the last.
            let second = (0..<p).map { rank in
                let (first, next) = (count(2, rank), count(3, rank))
                if next >= first { return false }
                return rank == p - 1 || isDone(3, rank + 1, next) || first >= m
            }
            for rank in (0..<p).reversed() where second[rank] { gradient(3, rank) }
            for rank in 0..<p where !second[rank] { gradient(2, rank) }
            for rank in 0..<p { if let pass = nextForward(rank) { forward(pass, rank) } }
        }
        for rank in 0..<p { while hasWaiting(rank) { appendWeight(rank) } }
    }

    /// Appends all forwards before the first input gradient.
    private mutating func warmUp() {
        for rank in 0..<p { append(0, rank) }
        for rank in (0..<p).reversed() {
            if rank < p - 1 {
                let arrival = end[index(1, rank + 1, 0)] + transfer
                while held(rank) + 2 + 2 * rank <= limit, clock[rank] + times[0] <= arrival, count(0, rank) < m {
                    for earlier in 0...rank { append(0, earlier) }
                }
            }
            append(1, rank)
        }
        var pass = 0
        for rank in 1..<max(1, p) {
            while count(0, rank) + count(1, rank) < count(0, rank - 1) + count(1, rank - 1)
                || (count(1, rank) <= count(1, rank - 1) && count(1, rank - 1) < m)
            {
                for later in (rank..<p).reversed() where count(pass, later) < m { append(pass, later) }
                pass = 1 - pass
            }
        }
    }

    private mutating func gradient(_ pass: Pass, _ rank: Int) {
        fillGap(rank, until: arrival(of: pass, rank), greedily: pass == 3 || fillsBeforeGradient)
        append(pass, rank)
    }

    private mutating func forward(_ pass: Pass, _ rank: Int) {
        while held(rank) + 1 > limit, hasWaiting(rank) { appendWeight(rank) }
        fillGap(rank, until: arrival(of: pass, rank), greedily: fillsBeforeForward)
        append(pass, rank)
    }

    /// The forward that a rank runs in this step: on the way back if its input exists, on the way out otherwise.
    private func nextForward(_ rank: Int) -> Pass? {
        let (out, back) = (count(0, rank), count(1, rank))
        if back >= m { return nil }
        if back >= out { return 0 }
        if rank == p - 1 || isDone(1, rank + 1, back) { return 1 }
        return out < m && (rank == 0 || isDone(0, rank - 1, out)) ? 0 : nil
    }

    /// Time at which the input of a rank's next pass arrives; nil if it needs none from another rank.
    private func arrival(of pass: Pass, _ rank: Int) -> Int? {
        let from = pass % 2 == 0 ? rank - 1 : rank + 1
        guard (0..<p).contains(from) else { return nil }
        return end[index(pass, from, count(pass, rank))] + transfer
    }

    /// Appends weight gradients to the list of a rank that waits until `arrival`.
    private mutating func fillGap(_ rank: Int, until arrival: Int?, greedily: Bool) {
        guard let arrival else { return }
        while hasWaiting(rank), arrival >= clock[rank] + times[2] { appendWeight(rank) }
        if greedily, hasWaiting(rank), arrival - clock[rank] > max(mostIdle, slack[rank]) - idle[rank] {
            appendWeight(rank)
        }
    }

    private func hasWaiting(_ rank: Int) -> Bool { served[rank] < waiting[rank].count }

    private mutating func appendWeight(_ rank: Int) {
        let half = Int(waiting[rank][served[rank]])
        served[rank] += 1
        order[rank].append(UInt8(4 + half))
        clock[rank] += times[2]
        done[rank * 6 + 4 + half] += 1
        held[rank] -= 1
    }

    private mutating func append(_ pass: Pass, _ rank: Int) {
        let i = count(pass, rank)
        let start = max(clock[rank], arrival(of: pass, rank) ?? 0)
        if count(0, rank) > 0 {
            idle[rank] += start - clock[rank]
            mostIdle = max(mostIdle, idle[rank])
        }
        clock[rank] = start + times[pass / 2]
        end[index(pass, rank, i)] = clock[rank]
        done[rank * 6 + pass] += 1
        order[rank].append(UInt8(pass))
        if pass < 2 { held[rank] += 1 } else { waiting[rank].append(UInt8(pass - 2)) }
    }

    private func held(_ rank: Int) -> Int { held[rank] }
    private func count(_ pass: Pass, _ rank: Int) -> Int { done[rank * 6 + pass] }
    private func index(_ pass: Pass, _ rank: Int, _ microbatch: Int) -> Int { (pass * p + rank) * m + microbatch }

    private func isDone(_ pass: Pass, _ rank: Int, _ microbatch: Int) -> Bool {
        microbatch < m && end[index(pass, rank, microbatch)] >= 0
    }
}

/// Adds up the time of a step on one rank: at every moment compute counts first, then communication, then idle time.
struct StepSweep {
    /// Something that took time.
    struct Piece {
        var start: Double
        var end: Double
        /// Place among `works`.
        var work: Int
    }

    /// What a piece is.
    enum Work: Hashable {
        case compute(StepParts, KernelKind?)
        case communication(TracedGroup)
        /// Communication inside a pass that the pass waits for; it counts before the pass.
        case blocking(StepParts)
    }

    let works: [Work]
    /// Parts of moments at which nothing runs.
    let idle: StepParts

    /// The times of `pieces` from `start` to `end`.
    func step(_ pieces: [Piece], from start: Double, to end: Double, number: Int?) -> TracedStep {
        var step = TracedStep(number: number)
        step.seconds = max(0, end - start)
        // The order in which works that run at once are asked for.
        let order = works.indices.sorted { (rank(works[$0]), $0) < (rank(works[$1]), $1) }
        var place = [Int](repeating: 0, count: works.count)
        for (position, work) in order.enumerated() { place[work] = position }
        var edges: [(time: Double, position: Int32, change: Int8)] = []
        edges.reserveCapacity(2 * pieces.count)
        for piece in pieces where piece.end > start && piece.start < end && piece.end > piece.start {
            edges.append((max(start, piece.start), Int32(place[piece.work]), 1))
            edges.append((min(end, piece.end), Int32(place[piece.work]), -1))
        }
        edges.sort { $0.time < $1.time }
        var active = [Int](repeating: 0, count: works.count)
        var running: [Int] = []
        var times = [Double](repeating: 0, count: works.count)
        var (now, idleTime) = (start, 0.0)
        var seconds: [StepParts: Double] = [:]
        var hidden = [Double](repeating: 0, count: works.count)
        var primary = [Double](repeating: 0, count: works.count)
        func pass(to time: Double) {
            let length = time - now
            guard length > 0 else { return }
            if let first = running.first {
                primary[first] += length
                let isHiding = rank(works[order[first]]) < 2
                for position in running {
                    times[position] += length
                    if isHiding, position != first { hidden[position] += length }
                }
            } else {
                idleTime += length
            }
            now = time
        }
        for edge in edges {
            pass(to: edge.time)
            let position = Int(edge.position)
            active[position] += Int(edge.change)
            if edge.change > 0, active[position] == 1 {
                running.insert(position, at: running.firstIndex { $0 > position } ?? running.count)
            } else if edge.change < 0, active[position] == 0 {
                running.removeAll { $0 == position }
            }
        }
        pass(to: end)
        for position in order.indices {
            switch works[order[position]] {
            case .compute(let parts, let kind):
                seconds[parts, default: 0] += primary[position]
                if let kind { step.kernels[kind, default: 0] += primary[position] }
            case .communication(let group):
                seconds[group.parts, default: 0] += primary[position]
                if hidden[position] > 0 { step.hidden[group.parts, default: 0] += hidden[position] }
                step.groups[group, default: 0] += times[position]
            case .blocking(let parts): seconds[parts, default: 0] += primary[position]
            }
        }
        seconds[idle, default: 0] += idleTime
        step.parts = seconds.filter { $0.value > 0 }
        step.groups = step.groups.filter { $0.value > 0 }
        step.kernels = step.kernels.filter { $0.value > 0 }
        return step
    }

    /// Works of a lower number count first.
    private func rank(_ work: Work) -> Int {
        switch work {
        case .blocking: 0
        case .compute: 1
        // A receive that waits lasts as long as the other rank works, so all other communication counts before it.
        case .communication(let group): group.parts.isDisjoint(with: .pipeline) ? 2 : 3
        }
    }
}

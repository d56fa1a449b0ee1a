package import Costs
internal import Dispatch
package import Plans
internal import Schedules
internal import Synchronization

/// One priced layout of a space and its place in the space's order.
package struct PricedLayout: Hashable, Sendable {
    package var layout: Layout
    /// By closed form.
    package var seconds: Double
    package var peak: Double
}

/// What pricing a whole space found.
package struct PricedSpace: Sendable {
    /// Best first by the objective: enough for the ranks asked for, and the best of every schedule.
    package var leaders: [PricedLayout] = []
    /// Layouts that no other beats in both time and memory, smallest first.
    package var front: [PricedLayout] = []
    /// The one that needs least memory, whether it fits or not.
    package var smallest: PricedLayout?
    package var effort = SearchEffort()
}

/// What is kept while a space is priced.
struct SpaceQuestion: Sendable {
    /// Layouts kept by the objective, and of every schedule.
    var leaders = 40
    var perSchedule = 3
    /// Leaders that are simulated at least.
    static let fewestLeaders = 32
    var byMemory = false
    var keepsFront = false
    /// Bytes of a device that may be used.
    var usable = Double.infinity
    var threads: Int?
    /// Called now and then with the share that is done, from any thread.
    var progress: (@Sendable (Double) -> Void)?
}

/// Prices every layout of the space. The answer does not depend on the number of threads.
func priceSpace(_ space: SearchSpace, pricer: Pricer, question: SpaceQuestion) -> PricedSpace {
    let clock = ContinuousClock()
    let began = clock.now
    let plan = pricer.plan
    let meshes = space.meshes(plan)
    guard !meshes.isEmpty else { return PricedSpace() }
    let table = space.table(plan, meshes: meshes)
    let choices = space.choices(plan)
    // More workers than cores cost nothing: those that come late find nothing left.
    let prepared = (clock.now - began).inSeconds
    let workers = max(1, min(meshes.count, question.threads ?? 64))
    let next = Atomic<Int>(0)
    // Every worker writes its own place.
    let parts = [Collector](unsafeUninitializedCapacity: workers) { buffer, initialized in
        nonisolated(unsafe) let base = buffer.baseAddress
        DispatchQueue.concurrentPerform(iterations: workers) { worker in
            let began = clock.now
            var collector = Collector(question)
            var mesher = MeshPricer(pricer: pricer, table: table, choices: choices)
            var prices = ContiguousArray<QuickPrice>()
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < meshes.count else { break }
                prices.removeAll(keepingCapacity: true)
                collector.effort.rejected += mesher.price(
                    meshes[index], microbatches: space.microbatches(meshes[index], plan), into: &prices)
                collector.take(prices, mesh: index)
                question.progress?(Double(index + 1) / Double(meshes.count))
            }
            collector.effort.pricingSeconds = (clock.now - began).inSeconds
            base.map { ($0 + worker).initialize(to: collector) }
        }
        initialized = workers
    }
    var found = Collector.merged(parts, question).space(meshes) { space.divided($0.layout($1, base: space.base), plan) }
    found.effort.pricingSeconds += prepared
    return found
}

/// Every layout of the space in its order, priced: for tests and small spaces.
package func pricedLayouts(_ space: SearchSpace, pricer: Pricer) -> [PricedLayout] {
    let plan = pricer.plan
    let meshes = space.meshes(plan)
    var mesher = MeshPricer(
        pricer: pricer, table: space.table(plan, meshes: meshes), choices: space.choices(plan))
    var found: [PricedLayout] = []
    var prices = ContiguousArray<QuickPrice>()
    for mesh in meshes {
        prices.removeAll(keepingCapacity: true)
        _ = mesher.price(mesh, microbatches: space.microbatches(mesh, plan), into: &prices)
        for price in prices {
            found.append(
                PricedLayout(
                    layout: space.divided(price.layout(mesh, base: space.base), plan), seconds: price.seconds,
                    peak: price.peak))
        }
    }
    return found
}

/// Keeps the best of a stream of prices. Order is that of the space, so that equal prices rank alike whoever saw them.
private struct Collector: Sendable {
    struct Entry: Sendable {
        var score: Double
        var second: Double
        var mesh: Int
        var place: Int
        var price: QuickPrice

        func precedes(_ other: Entry) -> Bool {
            (score, second, mesh, place) < (other.score, other.second, other.mesh, other.place)
        }
    }

    let question: SpaceQuestion
    var leaders: [Entry] = []
    var bySchedule: [[Entry]]
    /// Ascending in memory, descending in time.
    var front: [Entry] = []
    var smallest: Entry?
    var effort = SearchEffort()

    init(_ question: SpaceQuestion) {
        self.question = question
        bySchedule = [[Entry]](repeating: [], count: ScheduleName.allCases.count)
    }

    mutating func take(_ prices: ContiguousArray<QuickPrice>, mesh: Int) {
        effort.evaluated += prices.count
        // Scores worse than these change nothing.
        var bar = leaders.count < question.leaders ? Double.infinity : leaders[leaders.count - 1].score
        var bars = bySchedule.map {
            $0.count < question.perSchedule ? Double.infinity : $0.last?.score ?? -.infinity
        }
        var least = smallest?.score ?? .infinity
        for (place, price) in prices.enumerated() {
            if price.peak <= least {
                let entry = Entry(score: price.peak, second: price.seconds, mesh: mesh, place: place, price: price)
                if smallest.map({ entry.precedes($0) }) ?? true {
                    smallest = entry
                    least = price.peak
                }
            }
            guard price.peak <= question.usable else { continue }
            effort.feasible += 1
            let (score, second) = question.byMemory ? (price.peak, price.seconds) : (price.seconds, price.peak)
            if score <= bar || score <= bars[price.schedule.index] {
                let entry = Entry(score: score, second: second, mesh: mesh, place: place, price: price)
                Self.insert(entry, into: &leaders, most: question.leaders)
                Self.insert(entry, into: &bySchedule[price.schedule.index], most: question.perSchedule)
                if leaders.count == question.leaders { bar = leaders[leaders.count - 1].score }
                let own = bySchedule[price.schedule.index]
                if own.count == question.perSchedule, let last = own.last { bars[price.schedule.index] = last.score }
            }
            if question.keepsFront {
                insertInFront(
                    Entry(score: price.peak, second: price.seconds, mesh: mesh, place: place, price: price))
            }
        }
    }

    private static func insert(_ entry: Entry, into entries: inout [Entry], most: Int) {
        guard most > 0 else { return }
        if entries.count == most, !entry.precedes(entries[most - 1]) { return }
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].precedes(entry) { low = middle + 1 } else { high = middle }
        }
        entries.insert(entry, at: low)
        if entries.count > most { entries.removeLast() }
    }

    private mutating func insertInFront(_ entry: Entry) {
        var (low, high) = (0, front.count)
        while low < high {
            let middle = (low + high) / 2
            if front[middle].precedes(entry) { low = middle + 1 } else { high = middle }
        }
        if low > 0, front[low - 1].second <= entry.second { return }
        var end = low
        while end < front.count, front[end].second >= entry.second { end += 1 }
        front.replaceSubrange(low..<end, with: [entry])
    }

    static func merged(_ parts: [Collector], _ question: SpaceQuestion) -> Collector {
        var all = Collector(question)
        for part in parts {
            for entry in part.leaders { insert(entry, into: &all.leaders, most: question.leaders) }
            for (index, entries) in part.bySchedule.enumerated() {
                for entry in entries { insert(entry, into: &all.bySchedule[index], most: question.perSchedule) }
            }
            if let least = part.smallest, all.smallest.map({ least.precedes($0) }) ?? true { all.smallest = least }
            for entry in part.front { all.insertInFront(entry) }
            all.effort += part.effort
        }
        return all
    }

    func space(_ meshes: [Mesh], made: (QuickPrice, Mesh) -> Layout) -> PricedSpace {
        func layout(_ entry: Entry) -> PricedLayout {
            PricedLayout(
                layout: made(entry.price, meshes[entry.mesh]), seconds: entry.price.seconds, peak: entry.price.peak)
        }
        var chosen = leaders
        let known = Set(leaders.map { [$0.mesh, $0.place] })
        for entries in bySchedule { chosen += entries.filter { !known.contains([$0.mesh, $0.place]) } }
        chosen.sort { $0.precedes($1) }
        return PricedSpace(
            leaders: chosen.map(layout), front: front.map(layout), smallest: smallest.map(layout),
            effort: effort)
    }
}

extension ScheduleName {
    /// Place in `allCases`.
    fileprivate var index: Int {
        switch self {
        case .gpipe: 0
        case .oneForwardOneBackward: 1
        case .interleaved: 2
        case .loopedBFS: 3
        case .zeroBubbleH1: 4
        case .zeroBubbleH2: 5
        case .interleavedZeroBubble: 6
        case .zeroBubbleV: 7
        case .vHalf: 8
        case .vMin: 9
        case .dualPipe: 10
        case .dualPipeV: 11
        case .chimera: 12
        }
    }
}

extension Duration {
    /// As seconds.
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

internal import Costs
internal import Plans
internal import Schedules

/// Keeps the best of a stream of prices. Order is that of the space, so that equal prices rank alike whoever saw them.
struct Collector: Sendable {
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

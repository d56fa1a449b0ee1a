internal import Costs
internal import Plans
internal import Schedules

/// Time, memory and schedule of a layout.
protocol Price {
    var seconds: Double { get }
    var peak: Double { get }
    var schedule: ScheduleName { get }
}

extension QuickPrice: Price {}

extension PricedLayout: Price {
    var schedule: ScheduleName { layout.schedule }
}

/// The best layouts of a stream of prices. Equal prices are ordered by their place in the space, so the result does not
/// depend on which worker priced them.
struct BestLayouts: Sendable {
    /// The order of prices: by score, then by a second figure, then by place in the space.
    struct Rank: Comparable, Sendable {
        var score: Double
        var second: Double
        var mesh: Int
        var place: Int

        static func < (one: Rank, other: Rank) -> Bool {
            (one.score, one.second, one.mesh, one.place) < (other.score, other.second, other.mesh, other.place)
        }
    }

    /// A price that is kept, and its layout.
    struct Entry: Sendable {
        var rank: Rank
        var priced: PricedLayout
    }

    let request: PricingRequest
    var leaders: [Entry] = []
    var bySchedule: [[Entry]]
    /// Layouts that no other beats in both memory and time: memory rises, time falls.
    var front: [Entry] = []
    var smallest: Entry?
    var effort = SearchEffort()

    init(_ request: PricingRequest) {
        self.request = request
        bySchedule = [[Entry]](repeating: [], count: ScheduleName.allCases.count)
    }

    /// Takes in the prices of one mesh.
    /// - Parameter layout: returns the layout of a price; called only for prices that are kept.
    mutating func take<Prices: Collection>(
        _ prices: Prices, mesh: Int, layout: (Prices.Element) -> Layout
    ) where Prices.Element: Price {
        effort.evaluated += prices.count
        // A price whose score is worse than these is not kept.
        var bar = leaders.count < request.leaders ? Double.infinity : leaders[leaders.count - 1].rank.score
        var bars = bySchedule.map {
            $0.count < request.perSchedule ? Double.infinity : $0.last?.rank.score ?? -.infinity
        }
        var least = smallest?.rank.score ?? .infinity
        func priced(_ price: Prices.Element) -> PricedLayout {
            PricedLayout(layout: layout(price), seconds: price.seconds, peak: price.peak)
        }
        for (place, price) in prices.enumerated() {
            if price.peak <= least {
                let rank = Rank(score: price.peak, second: price.seconds, mesh: mesh, place: place)
                if smallest.map({ rank < $0.rank }) ?? true {
                    smallest = Entry(rank: rank, priced: priced(price))
                    least = price.peak
                }
            }
            guard price.peak <= request.usable else { continue }
            effort.feasible += 1
            let (score, second) = request.byMemory ? (price.peak, price.seconds) : (price.seconds, price.peak)
            if score <= bar || score <= bars[price.schedule.index] {
                let rank = Rank(score: score, second: second, mesh: mesh, place: place)
                Self.insert(rank, into: &leaders, most: request.leaders) { priced(price) }
                Self.insert(rank, into: &bySchedule[price.schedule.index], most: request.perSchedule) {
                    priced(price)
                }
                if leaders.count == request.leaders { bar = leaders[leaders.count - 1].rank.score }
                let own = bySchedule[price.schedule.index]
                if own.count == request.perSchedule, let last = own.last {
                    bars[price.schedule.index] = last.rank.score
                }
            }
            if request.keepsFront {
                insertInFront(Rank(score: price.peak, second: price.seconds, mesh: mesh, place: place)) {
                    priced(price)
                }
            }
        }
    }

    private static func place(of rank: Rank, in entries: [Entry]) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].rank < rank { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func insert(_ rank: Rank, into entries: inout [Entry], most: Int, priced: () -> PricedLayout) {
        guard most > 0 else { return }
        if entries.count == most, !(rank < entries[most - 1].rank) { return }
        entries.insert(Entry(rank: rank, priced: priced()), at: place(of: rank, in: entries))
        if entries.count > most { entries.removeLast() }
    }

    private mutating func insertInFront(_ rank: Rank, priced: () -> PricedLayout) {
        let low = Self.place(of: rank, in: front)
        if low > 0, front[low - 1].rank.second <= rank.second { return }
        var end = low
        while end < front.count, front[end].rank.second >= rank.second { end += 1 }
        front.replaceSubrange(low..<end, with: [Entry(rank: rank, priced: priced())])
    }

    static func merged(_ parts: [BestLayouts], _ request: PricingRequest) -> BestLayouts {
        var all = BestLayouts(request)
        for part in parts {
            for entry in part.leaders {
                insert(entry.rank, into: &all.leaders, most: request.leaders) { entry.priced }
            }
            for (index, entries) in part.bySchedule.enumerated() {
                for entry in entries {
                    insert(entry.rank, into: &all.bySchedule[index], most: request.perSchedule) { entry.priced }
                }
            }
            if let least = part.smallest, all.smallest.map({ least.rank < $0.rank }) ?? true { all.smallest = least }
            for entry in part.front { all.insertInFront(entry.rank) { entry.priced } }
            all.effort += part.effort
        }
        return all
    }

    /// The layouts that were kept, best first.
    /// - Parameter finished: completes a layout with the fields that pricing leaves open.
    func space(_ finished: (Layout) -> Layout) -> PricedSpace {
        func layout(_ entry: Entry) -> PricedLayout {
            var priced = entry.priced
            priced.layout = finished(priced.layout)
            return priced
        }
        var chosen = leaders
        let known = Set(leaders.map { [$0.rank.mesh, $0.rank.place] })
        for entries in bySchedule { chosen += entries.filter { !known.contains([$0.rank.mesh, $0.rank.place]) } }
        chosen.sort { $0.rank < $1.rank }
        return PricedSpace(
            leaders: chosen.map(layout), front: front.map(layout), smallest: smallest.map(layout), effort: effort)
    }
}

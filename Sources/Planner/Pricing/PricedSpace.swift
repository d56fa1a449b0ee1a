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
    let tries = space.tries(plan)
    guard !tries.isEmpty else { return PricedSpace() }
    let table = space.table(plan, tries: tries)
    let choices = space.choices(plan)
    let prepared = (clock.now - began).inSeconds
    let parts = price(tries, question: question) {
        MeshPricer(pricer: pricer, table: table, choices: choices)
    }
    let merged = Collector.merged(parts, question)
    var found = merged.space { space.divided($0, plan) }
    found.effort.pricingSeconds += prepared
    return found
}

/// Prices the layouts that may be among the fastest: those that no bound shows to be slower than `slowest`, or than the
/// fastest that fits by more than closed forms are off. The answer does not depend on the number of threads.
///
/// Meshes are priced in order of their bounds and in rounds, each twice as large as the one before. The fastest of one
/// decides what the next leaves out.
func priceSpace(
    _ space: SearchSpace, pricer: Pricer, question: SpaceQuestion, slowest: Double, bounds: inout SpaceBounds?
) -> PricedSpace {
    let plan = pricer.plan
    let choices = space.choices(plan)
    let meshes = space.meshes(plan)
    var limit = MeshPricer.Limit()
    limit.bytes = question.usable
    limit.seconds = slowest
    let tries = bounds?.tries(of: meshes, space: space, choices: choices, pricer: pricer, limit: limit) ?? []
    var collector = Collector(question)
    var (start, size) = (0, 8)
    while start < tries.count, tries[start].least <= limit.seconds {
        let round = tries[start..<min(start + size, tries.count)].compactMap {
            bounds?.within(limit.seconds, $0, choices: choices, pricer: pricer)
        }
        let (table, now) = (space.table(plan, tries: round), limit)
        let parts = price(round, question: question) {
            MeshPricer(pricer: pricer, table: table, choices: choices, limit: now)
        }
        collector = Collector.merged([collector] + parts, question)
        if let best = collector.leaders.first {
            limit.seconds = min(limit.seconds, best.priced.seconds * (1 + SearchSettings.closedFormError))
        }
        start += size
        size *= 2
    }
    collector.effort.ruledOut = meshes.count - min(start, tries.count)
    return collector.space { space.divided($0, plan) }
}

/// Every try priced, by as many workers as there are threads.
private func price(
    _ tries: [MeshTry], question: SpaceQuestion, _ makePricer: @Sendable () -> MeshPricer
) -> [Collector] {
    let clock = ContinuousClock()
    // More workers than cores cost nothing: those that come late find nothing left.
    let workers = max(1, min(tries.count, question.threads ?? 64))
    let next = Atomic<Int>(0)
    // Every worker writes its own place.
    return [Collector](unsafeUninitializedCapacity: workers) { buffer, initialized in
        nonisolated(unsafe) let base = buffer.baseAddress
        DispatchQueue.concurrentPerform(iterations: workers) { worker in
            let began = clock.now
            var collector = Collector(question)
            var mesher = makePricer()
            var prices = ContiguousArray<QuickPrice>()
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < tries.count else { break }
                let item = tries[index]
                prices.removeAll(keepingCapacity: true)
                collector.effort.rejected += mesher.price(
                    item.mesh, microbatches: item.microbatches, least: item.leastSteps, into: &prices)
                collector.take(prices, mesh: item.place ?? index) { mesher.layout(of: $0) }
                question.progress?(Double(index + 1) / Double(tries.count))
            }
            collector.effort.pricingSeconds = (clock.now - began).inSeconds
            base.map { ($0 + worker).initialize(to: collector) }
        }
        initialized = workers
    }
}

/// Every layout of the space in its order, priced: for tests and small spaces.
package func pricedLayouts(_ space: SearchSpace, pricer: Pricer) -> [PricedLayout] {
    let plan = pricer.plan
    let tries = space.tries(plan)
    var mesher = MeshPricer(
        pricer: pricer, table: space.table(plan, tries: tries), choices: space.choices(plan))
    var found: [PricedLayout] = []
    var prices = ContiguousArray<QuickPrice>()
    for (mesh, microbatches) in tries.map({ ($0.mesh, $0.microbatches) }) {
        prices.removeAll(keepingCapacity: true)
        _ = mesher.price(mesh, microbatches: microbatches, into: &prices)
        for price in prices {
            found.append(
                PricedLayout(
                    layout: space.divided(mesher.layout(of: price), plan), seconds: price.seconds, peak: price.peak))
        }
    }
    return found
}

extension Duration {
    /// As seconds.
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

package import Costs
internal import Dispatch
package import Plans
internal import Schedules
internal import Synchronization

/// A layout of a search space with its price.
package struct PricedLayout: Hashable, Sendable {
    package var layout: Layout
    /// Seconds of a step by closed form.
    package var seconds: Double
    package var peak: Double
}

/// The layouts that are kept of a priced search space.
package struct PricedSpace: Sendable {
    /// The best layouts by the objective, best first, and the best of every schedule.
    package var leaders: [PricedLayout] = []
    /// Layouts that no other beats in both time and memory, smallest first.
    package var front: [PricedLayout] = []
    /// The layout that needs least memory, whether it fits or not.
    package var smallest: PricedLayout?
    package var effort = SearchEffort()
}

/// How a search space is priced and how many layouts of it are kept.
struct PricingRequest: Sendable {
    /// Number of layouts that are kept by the objective.
    var leaders = 40
    var perSchedule = 3
    /// The smallest number of leaders that the simulator times.
    static let fewestLeaders = 32
    var byMemory = false
    var keepsFront = false
    /// Bytes of a device that may be used.
    var usable = Double.infinity
    var threads: Int?
    /// Called now and then, from any thread, with the share of the space that is priced.
    var progress: (@Sendable (Double) -> Void)?
}

/// Prices every layout of the space. The answer does not depend on the number of threads.
func priceSpace(_ space: SearchSpace, pricer: Pricer, request: PricingRequest) -> PricedSpace {
    let clock = ContinuousClock()
    let began = clock.now
    let plan = pricer.plan
    guard plan.cluster.groups == nil else { return priceMixedSpace(space, pricer: pricer, request: request) }
    let candidates = space.candidates(plan)
    guard !candidates.isEmpty else { return PricedSpace() }
    let table = space.table(plan, candidates: candidates)
    let choices = space.choices(plan)
    let prepared = (clock.now - began).inSeconds
    let parts = priceAll(candidates, request: request) {
        MeshPricer(pricer: pricer, table: table, choices: choices)
    }
    let merged = BestLayouts.merged(parts, request)
    var found = merged.space { space.divided($0, plan) }
    found.effort.pricingSeconds += prepared
    return found
}

/// Prices the layouts that may be among the fastest. A mesh is left out when its bound is above `slowest`, or above the
/// fastest fitting layout by more than closed forms are off. The answer does not depend on the number of threads.
///
/// Meshes are priced in order of their bounds and in rounds, each twice as large as the one before. The fastest of one
/// decides what the next leaves out. Where nothing is known yet, a few meshes are priced before the bounds of the others
/// are computed.
func priceSpace(
    _ space: SearchSpace, pricer: Pricer, request: PricingRequest, limit wanted: MeshPricer.Limit,
    bounds: inout SpaceBounds
) -> PricedSpace {
    let plan = pricer.plan
    guard plan.cluster.groups == nil else { return priceMixedSpace(space, pricer: pricer, request: request) }
    let choices = space.choices(plan)
    let meshes = space.meshes(plan)
    bounds.turn(to: pricer, choices: choices)
    var limit = wanted
    limit.bytes = request.usable
    var best = BestLayouts(request)
    // Taken out, so that adding to it copies nothing.
    var tables = bounds.tables
    bounds.tables = PipelineTable.Known()
    defer { bounds.tables = tables }
    var priced: Set<Int> = []
    func price(_ candidates: ArraySlice<MeshCandidate>) {
        let round = candidates.compactMap { bounds.within(limit, $0, choices: choices, pricer: pricer) }
        let (table, now) = (space.table(plan, candidates: round, known: &tables), limit)
        let passes = bounds.passes
        let parts = priceAll(round, request: request) {
            MeshPricer(pricer: pricer, table: table, choices: choices, limit: now, bounds: passes)
        }
        priced.formUnion(candidates.compactMap(\.place))
        best = BestLayouts.merged([best] + parts, request)
        guard let first = best.leaders.first?.priced else { return }
        limit.seconds = min(limit.seconds, first.seconds * (1 + SearchSettings.closedFormError))
        // The fastest by closed form is simulated, too.
        let off = first.layout.pipeline > 1 ? SearchSettings.closedFormError / 3 : 0
        if space.ranksByTime(plan) { limit.certain = min(limit.certain, first.seconds * (1 + off)) }
    }
    if limit.seconds == .infinity, meshes.count > 2 * SpaceBounds.probes {
        let probes = bounds.quickest(
            of: meshes, space: space, choices: choices, pricer: pricer, threads: request.threads)
        let some = bounds.candidates(
            of: meshes, at: probes, space: space, choices: choices, pricer: pricer, limit: limit,
            threads: request.threads)
        price(some.prefix(SpaceBounds.firstRound))
    }
    let candidates = bounds.candidates(
        of: meshes, at: meshes.indices.filter { !priced.contains($0) }, space: space, choices: choices,
        pricer: pricer, limit: limit, threads: request.threads)
    var (start, size) = (0, SpaceBounds.firstRound)
    while start < candidates.count, candidates[start].least <= limit.seconds {
        price(candidates[start..<min(start + size, candidates.count)])
        start += size
        size *= 2
    }
    best.effort.ruledOut = meshes.count - priced.count
    return best.space { space.divided($0, plan) }
}

/// Whether some layout of the space fits. Meshes that a bound of their memory rules out are not priced; of the others a few
/// are, then more, until a layout fits.
func anyFits(_ space: SearchSpace, pricer: Pricer, request: PricingRequest, bounds: inout SpaceBounds) -> Bool {
    let plan = pricer.plan
    guard plan.cluster.groups == nil else {
        return priceMixedSpace(space, pricer: pricer, request: request).effort.feasible > 0
    }
    let choices = space.choices(plan)
    bounds.turn(to: pricer, choices: choices)
    var tables = bounds.tables
    bounds.tables = PipelineTable.Known()
    defer { bounds.tables = tables }
    var round: [MeshCandidate] = []
    func fits() -> Bool {
        let table = space.table(plan, candidates: round, known: &tables)
        var limit = MeshPricer.Limit()
        limit.bytes = request.usable
        let parts = priceAll(round, request: request) { [limit] in
            MeshPricer(pricer: pricer, table: table, choices: choices, limit: limit)
        }
        round = []
        return parts.contains { $0.effort.feasible > 0 }
    }
    var size = 1
    for mesh in space.meshes(plan) {
        guard let item = bounds.fitting(mesh, space: space, choices: choices, pricer: pricer, bytes: request.usable)
        else { continue }
        round.append(item)
        guard round.count == size else { continue }
        if fits() { return true }
        size *= 4
    }
    return !round.isEmpty && fits()
}

extension SearchSpace {
    /// Whether the layout with the shortest step of those that are priced is the answer. A layout may be measured to be faster
    /// than it is priced, and may become faster with a divided vocabulary.
    func ranksByTime(_ plan: Plan) -> Bool { plan.anchor == nil && vocabularyParallel.isEmpty }
}

/// Prices every candidate, with as many workers as there are threads.
private func priceAll(
    _ candidates: [MeshCandidate], request: PricingRequest, _ makePricer: @Sendable () -> MeshPricer
) -> [BestLayouts] {
    let clock = ContinuousClock()
    // More workers than cores cost little: late ones find no candidate left.
    let workers = max(1, min(candidates.count, request.threads ?? 64))
    let next = Atomic<Int>(0)
    // Every worker writes its own element.
    return [BestLayouts](unsafeUninitializedCapacity: workers) { buffer, initialized in
        nonisolated(unsafe) let base = buffer.baseAddress
        DispatchQueue.concurrentPerform(iterations: workers) { worker in
            let began = clock.now
            var best = BestLayouts(request)
            guard next.load(ordering: .relaxed) < candidates.count else {
                base.map { ($0 + worker).initialize(to: best) }
                return
            }
            var mesher = makePricer()
            var prices = ContiguousArray<QuickPrice>()
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < candidates.count else { break }
                let item = candidates[index]
                prices.removeAll(keepingCapacity: true)
                best.effort.rejected += mesher.price(
                    item.mesh, microbatches: item.microbatches, least: item.leastSteps, into: &prices)
                best.take(prices, mesh: item.place ?? index) { mesher.layout(of: $0) }
                request.progress?(Double(index + 1) / Double(candidates.count))
            }
            best.effort.pricingSeconds = (clock.now - began).inSeconds
            base.map { ($0 + worker).initialize(to: best) }
        }
        initialized = workers
    }
}

/// The prices of every layout of a small space, in the order of the space.
package func pricedLayouts(_ space: SearchSpace, pricer: Pricer) -> [PricedLayout] {
    let plan = pricer.plan
    let candidates = space.candidates(plan)
    var mesher = MeshPricer(
        pricer: pricer, table: space.table(plan, candidates: candidates), choices: space.choices(plan))
    var found: [PricedLayout] = []
    var prices = ContiguousArray<QuickPrice>()
    for (mesh, microbatches) in candidates.map({ ($0.mesh, $0.microbatches) }) {
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
    /// The duration in seconds.
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

package import Costs
internal import Dispatch
package import Plans

/// Ranked layouts of one plan.
package struct SearchResult: Hashable, Sendable {
    /// Layouts that fit, fastest first.
    package var candidates: [Estimate]
    /// Layouts whose memory, and time where they fit, was computed.
    package var evaluated: Int
    /// Layouts that fit.
    package var feasible: Int
    /// Wall-clock seconds of the search.
    package var seconds: Double
}

/// How a search is done; the answer does not depend on `threads`.
package struct SearchSettings: Hashable, Sendable {
    package var space = SearchSpace()
    /// Layouts returned.
    package var top = 20
    /// Share of device memory a layout may fill.
    package var usableMemory = 0.95
    /// Concurrent workers; nil: one a core.
    package var threads: Int?

    package init() {}
}

/// The fastest layouts of a plan that fit in memory.
///
/// Every layout of the space is priced by closed form; the fastest are timed by the simulator and ranked by that.
/// - Throws: `nothingFits` with the layout that came closest, or why there is none at all.
package func search(
    plan: Plan, settings: SearchSettings = SearchSettings(), options: CostOptions = CostOptions()
) throws(PlannerError) -> SearchResult {
    let clock = ContinuousClock()
    let began = clock.now
    let pricer: Pricer
    do throws(CostError) { pricer = try Pricer(plan: plan, options: options) } catch { throw .cost(error) }
    let layouts = settings.space.layouts(plan)
    guard !layouts.isEmpty else { throw .noLayout(noLayoutReason(plan)) }

    let usable = settings.usableMemory * plan.cluster.device.memoryBytes
    let prices = map(layouts.count, threads: settings.threads) { quickPrice(pricer, layouts[$0], usable: usable) }
    let fitting = prices.indices.filter { prices[$0].seconds < .infinity }
    guard !fitting.isEmpty else { throw nothingFits(plan, layouts, prices, usable, settings, options) }

    // Equal times keep the order of the space, so the answer is one whatever ran first.
    let ranked = fitting.sorted { (prices[$0].seconds, $0) < (prices[$1].seconds, $1) }
    let finalists = Array(ranked.prefix(max(settings.top, 1) * 3 / 2 + 2))
    let times = map(finalists.count, threads: settings.threads) { index -> IterationTime? in
        guard let work = try? pricer.work(layouts[finalists[index]]) else { return nil }
        return (try? simulatedTime(work)) ?? work.iterationTime()
    }
    let order = finalists.indices.sorted {
        (times[$0]?.seconds ?? .infinity, $0) < (times[$1]?.seconds ?? .infinity, $1)
    }
    var candidates: [Estimate] = []
    for index in order.prefix(settings.top) {
        guard let time = times[index], let work = try? pricer.work(layouts[finalists[index]]) else { continue }
        candidates.append(work.estimate(time: time))
    }
    let elapsed = clock.now - began
    return SearchResult(
        candidates: candidates, evaluated: layouts.count, feasible: fitting.count,
        seconds: Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
}

/// A layout's memory, and its time where it fits.
private struct QuickPrice: Sendable {
    var peak = Double.infinity
    /// Infinite where it does not fit or cannot be priced.
    var seconds = Double.infinity
}

private func quickPrice(_ pricer: Pricer, _ layout: Layout, usable: Double) -> QuickPrice {
    guard let work = try? pricer.work(layout) else { return QuickPrice() }
    var price = QuickPrice(peak: work.peakMemory)
    if price.peak <= usable { price.seconds = work.iterationTime().seconds }
    return price
}

private func nothingFits(
    _ plan: Plan, _ layouts: [Layout], _ prices: [QuickPrice], _ usable: Double, _ settings: SearchSettings,
    _ options: CostOptions
) -> PlannerError {
    guard let closest = prices.indices.min(by: { prices[$0].peak < prices[$1].peak }),
        prices[closest].peak < .infinity
    else { return .noLayout(noLayoutReason(plan)) }
    var larger = plan
    var enough: Int?
    for _ in 0..<10 {
        larger.devices *= 2
        guard let pricer = try? Pricer(plan: larger, options: options) else { break }
        let layouts = settings.space.layouts(larger)
        let fits = map(layouts.count, threads: settings.threads) { index in
            guard let work = try? pricer.work(layouts[index]) else { return false }
            return work.peakMemory <= usable
        }
        if fits.contains(true) {
            enough = larger.devices
            break
        }
    }
    return .nothingFits(
        NothingFits(
            layout: layouts[closest], peak: prices[closest].peak, usable: usable, device: plan.cluster.device.name,
            devices: plan.devices, tried: layouts.count, enough: enough))
}

private func noLayoutReason(_ plan: Plan) -> String {
    "no split of \(plan.devices) devices obeys the rules: data-parallel ranks must divide the batch of \(plan.batch), "
        + "tensor-parallel ones the \(plan.model.heads) heads (\(plan.model.kvHeads) of keys), and the pipeline can "
        + "have at most \(plan.model.layers) stages"
}

/// `body` of every index, computed on all cores, in order of the index.
func map<Result: Sendable>(_ count: Int, threads: Int?, _ body: @Sendable (Int) -> Result) -> [Result] {
    guard count > 0 else { return [] }
    // More chunks than cores even out layouts that take longer.
    let chunks = threads == 1 ? 1 : min(count, threads ?? 64)
    return Array(unsafeUninitializedCapacity: count) { buffer, initialized in
        nonisolated(unsafe) let base = buffer.baseAddress
        DispatchQueue.concurrentPerform(iterations: chunks) { chunk in
            for index in (count * chunk / chunks)..<(count * (chunk + 1) / chunks) {
                base.map { ($0 + index).initialize(to: body(index)) }
            }
        }
        initialized = count
    }
}

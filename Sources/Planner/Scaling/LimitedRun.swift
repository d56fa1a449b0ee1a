package import Costs
internal import Models
internal import Numbers
package import Plans
internal import Reading
internal import Schedules

/// The answer to a question about limits: the run that keeps them.
package struct LimitedRun: Sendable {
    package var estimate: Estimate
    /// One line that says what the run is the best of, and how finely it was searched for.
    package var remark: String
}

/// Days of the longest run that answers a question without a deadline: five years, longer than a device is in use.
private let longestUnasked = 5 * 365.25

/// The number of devices that keeps its limits: with a deadline the fewest, without one the number that ends first.
///
/// All `DeviceCounts` up to `most` are searched but those that `StepBound` shows to break the limits, so nothing is
/// passed over. A run's cost is about constant over a wide range of devices, so a budget alone asks for the fastest
/// run, not for the fewest devices.
/// - Throws: `unreachable` with the nearest run, when no number of devices keeps the limits.
package func limitedRun(
    _ plan: Plan, keeping limits: RunLimits, most: Int, settings: SearchSettings, options: CostOptions = CostOptions(),
    progress: ((Int) -> Void)? = nil
) throws(PlannerError) -> LimitedRun {
    try limits.check(plan)
    var limits = limits
    limits.currency = plan.currency
    if let rule = settings.space.contradiction(plan) { throw .contradiction(rule) }
    let counts = DeviceCounts(plan, space: settings.space).between(1, most)
    guard !counts.isEmpty else { throw .contradiction("there is no number of devices to try") }
    var searcher = DeviceCountSearch(plan, settings: settings, options: options)
    searcher.progress = progress
    let price = plan.cluster.pricePerDeviceHour
    let possible = counts.filter {
        limits.canBeKept(days: searcher.least($0), devices: $0, price: price) && !searcher.isTooSmall($0)
    }
    var found: DeviceCountSearch.Found?
    if limits.days == nil {
        found = searcher.fastest(among: possible, keeps: limits.isKept)
    } else {
        for count in possible {
            // Layouts that a bound shows to end too late are not priced.
            guard let next = searcher.best(count, below: limits.days), limits.isKept(by: next.estimate) else {
                continue
            }
            found = next
            break
        }
    }
    guard let found else { throw nearest(counts, &searcher, limits) }
    if limits.days == nil, let run = found.estimate.run, run.days > longestUnasked {
        throw .unreachable(
            "\(limits.words) are kept only by a run of \(Figures.duration(days: run.days)) on "
                + "\(Figures.grouped(found.estimate.plan.devices)) devices; say how long it may take with --deadline, e.g. "
                + "--deadline 365d, or raise the limit")
    }
    let below = counts.last { $0 < found.devices }
    let remark =
        limits.days == nil
        ? "fastest run that keeps \(limits.words), of \(Figures.grouped(counts.count)) numbers of devices up to "
            + Figures.grouped(most)
        : "fewest devices that keep \(limits.words): on every smaller number the fastest run breaks "
            + (below.map { "them (\(Figures.grouped($0)) is the next that divides well)" } ?? "them")
    return LimitedRun(estimate: found.estimate, remark: remark)
}

/// The error that no number of devices keeps the limits, with the nearest run that was searched.
private func nearest(_ counts: [Int], _ searcher: inout DeviceCountSearch, _ limits: RunLimits) -> PlannerError {
    let most = counts.last ?? 1
    // Numbers that were not searched cannot keep the limits. The fastest run and nearly the cheapest are among these.
    var nearest: Estimate?
    for count in counts.suffix(1) + counts.filter({ $0 & ($0 - 1) == 0 }) {
        guard let next = searcher.best(count)?.estimate else { continue }
        if limits.excess(next.run) < nearest.map({ limits.excess($0.run) }) ?? .infinity { nearest = next }
    }
    guard let nearest, let run = nearest.run else { return searcher.failure(most) }
    return .unreachable(
        "no number of devices up to \(Figures.grouped(most)) keeps \(limits.words); the nearest is "
            + "\(Figures.grouped(nearest.plan.devices)) devices: \(RunLimits.words(run))")
}

/// The largest dense model that keeps its limits on the plan's devices, on as many tokens, to one part in a hundred.
///
/// - Throws: `unreachable` with the nearest run, when not even the smallest model keeps the limits.
package func largestModel(
    _ plan: Plan, keeping limits: RunLimits, settings: SearchSettings, options: CostOptions = CostOptions(),
    progress: ((Double) -> Void)? = nil
) throws(PlannerError) -> LimitedRun {
    try limits.check(plan)
    var (settings, limits) = (settings, limits)
    limits.currency = plan.currency
    settings.top = 1
    settings.explainsMisfit = false
    // Steps of at most 1 %: 1.00, 1.01 … 2.00, 2.02 … 5.00, 5.05 … 9.95.
    let digits =
        (100..<200).map(Double.init) + stride(from: 200.0, to: 500, by: 2) + stride(from: 500.0, to: 1000, by: 5)
    let sizes = [1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11].flatMap { power in digits.map { $0 * power } }
        .filter { Model.shapeableParameters.contains($0) }
    var nearest: Estimate?
    var tried = 0
    func fits(_ size: Double) -> Estimate? {
        progress?(size)
        tried += 1
        let sized = plan.sized(parameters: size, sequence: plan.model.sequence)
        let result = try? searchBestDeviceCount(plan: sized, settings: settings, options: options)
        guard let found = result?.candidates.first else { return nil }
        if limits.excess(found.run) < nearest.map({ limits.excess($0.run) }) ?? .infinity { nearest = found }
        return limits.isKept(by: found) ? found : nil
    }
    var (low, high) = (-1, sizes.count)
    var answer: Estimate?
    while high - low > 1 {
        let middle = (low + high) / 2
        if let found = fits(sizes[middle]) {
            (answer, low) = (found, middle)
        } else {
            high = middle
        }
    }
    guard let answer else {
        guard let nearest, let run = nearest.run else {
            throw .noLayout(
                "no model of 10 million parameters or more fits on \(Figures.grouped(plan.devices)) devices")
        }
        throw .unreachable(
            "not even \(Int(saturating: nearest.parameters / 1e6)) million parameters keep \(limits.words) on "
                + "\(Figures.grouped(plan.devices)) devices: \(RunLimits.words(run))")
    }
    let remark =
        "largest model that keeps \(limits.words) on \(Figures.grouped(plan.devices)) devices, to 1 % (\(tried) sizes searched)"
    return LimitedRun(estimate: answer, remark: remark)
}

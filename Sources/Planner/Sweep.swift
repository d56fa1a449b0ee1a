package import Costs
package import Plans

/// What a sweep changes.
package enum SweepVariable: String, Hashable, Sendable, CaseIterable {
    case devices, batch, sequence, parameters, cluster, networkSpeed
}

/// One point of a sweep: the plan with one thing changed, and its best layout.
package struct SweepPoint: Sendable {
    package var label: String
    /// The value as a number, where it is one.
    package var value: Double
    package var plan: Plan
    package var estimate: Estimate?
    /// Why there is no estimate.
    package var reason: String

    package init(label: String, value: Double, plan: Plan, estimate: Estimate? = nil, reason: String = "") {
        self.label = label
        self.value = value
        self.plan = plan
        self.estimate = estimate
        self.reason = reason
    }
}

/// The best layout of every point, in order.
package func sweep(
    _ points: [SweepPoint], settings: SearchSettings, options: CostOptions = CostOptions(),
    progress: ((Int) -> Void)? = nil
) -> [SweepPoint] {
    points.enumerated().map { index, point in
        progress?(index)
        var point = point
        do throws(PlannerError) {
            point.estimate = try best(point.plan, settings: settings, options: options)
        } catch { point.reason = error.description }
        return point
    }
}

/// The best layout of a plan.
private func best(
    _ plan: Plan, settings: SearchSettings, options: CostOptions
) throws(PlannerError) -> Estimate {
    var settings = settings
    settings.top = 1
    guard let first = try search(plan: plan, settings: settings, options: options).candidates.first else {
        throw .noLayout("no layout could be timed")
    }
    return first
}

/// Limits a run must keep; nil leaves one open.
package struct RunLimits: Hashable, Sendable {
    package var days: Double?
    /// Dollars.
    package var cost: Double?
    package var gpuMonths: Double?

    package init() {}

    /// Whether any is set.
    package var isOpen: Bool { days == nil && cost == nil && gpuMonths == nil }

    /// How far `run` is beyond the worst of the limits: 1 at the limit; infinity where a limit cannot be judged.
    package func excess(_ run: Estimate.Run?) -> Double {
        guard let run else { return .infinity }
        var worst = 0.0
        if let days { worst = max(worst, run.days / days) }
        if let cost { worst = max(worst, (run.cost ?? .infinity) / cost) }
        if let gpuMonths { worst = max(worst, run.gpuMonths / gpuMonths) }
        return worst
    }
}

/// The fewest devices on which a plan keeps its limits.
///
/// Numbers of devices are tried by doubling, then eight to a doubling.
/// - Returns: the estimate, and how many numbers were tried.
/// - Throws: `unreachable` with the nearest, when no number up to `most` will do.
package func fewestDevices(
    _ plan: Plan, keeping limits: RunLimits, most: Int, settings: SearchSettings, options: CostOptions = CostOptions(),
    progress: ((Int) -> Void)? = nil
) throws(PlannerError) -> (estimate: Estimate, tried: Int) {
    try checkLimits(limits, plan)
    let counts = DeviceCounts.between(1, most, node: plan.cluster.devicesPerNode)
    guard !counts.isEmpty else { throw .contradiction("there is no number of devices to try") }
    var tried: [Int: Estimate?] = [:]
    var failure: PlannerError?
    func estimate(_ count: Int) -> Estimate? {
        if let known = tried[count] { return known }
        progress?(count)
        var sized = plan
        sized.devices = count
        var found: Estimate?
        do throws(PlannerError) { found = try quickBest(sized, settings: settings, options: options) } catch {
            failure = error
        }
        tried[count] = .some(found)
        return found
    }
    func keeps(_ count: Int) -> Bool { estimate(count).map { limits.excess($0.run) <= 1 } ?? false }
    // What cannot hold the model or is a hundred times too slow is passed over quickly.
    var lower = 0
    var upper: Int?
    for count in counts where count & (count - 1) == 0 || count == counts[counts.count - 1] {
        if keeps(count) {
            upper = count
            break
        }
        lower = count
    }
    let between = counts.filter { $0 > lower && $0 < upper ?? Int.max }
    for count in between where keeps(count) {
        upper = count
        break
    }
    guard let upper, let answer = estimate(upper) else {
        let known = tried.values.compactMap(\.self)
        guard let nearest = known.min(by: { limits.excess($0.run) < limits.excess($1.run) }), let run = nearest.run
        else { throw failure ?? .noLayout("nothing fits on up to \(most) devices") }
        throw .unreachable(
            "no number of devices up to \(most) keeps \(words(limits)); the nearest is \(nearest.plan.devices) devices: "
                + words(run))
    }
    return (try best(answer.plan.open, settings: settings, options: options), tried.count)
}

/// The largest dense model that keeps its limits on the plan's devices, on as many tokens.
///
/// - Throws: `unreachable` with the nearest, when not even the smallest does.
package func largestModel(
    _ plan: Plan, keeping limits: RunLimits, settings: SearchSettings, options: CostOptions = CostOptions(),
    progress: ((Double) -> Void)? = nil
) throws(PlannerError) -> (estimate: Estimate, tried: Int) {
    try checkLimits(limits, plan)
    var sizes: [Double] = []
    for power in [1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13] {
        for digit in [1, 1.2, 1.4, 1.6, 1.8, 2, 2.3, 2.6, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9] {
            if digit * power <= Model.shapeableParameters.upperBound { sizes.append(digit * power) }
        }
    }
    var nearest: Estimate?
    var tried = 0
    func fits(_ size: Double) -> Estimate? {
        progress?(size)
        tried += 1
        var sized = plan.open
        sized.model = Model.shaped(parameters: size, sequence: plan.model.sequence)
        guard let found = try? quickBest(sized, settings: settings, options: options) else { return nil }
        if limits.excess(found.run) < nearest.map({ limits.excess($0.run) }) ?? .infinity { nearest = found }
        return limits.excess(found.run) <= 1 ? found : nil
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
            throw .noLayout("no model of 10 million parameters or more fits on \(plan.devices) devices")
        }
        throw .unreachable(
            "not even \(Int(nearest.parameters / 1e6)) million parameters keep \(words(limits)) on \(plan.devices) "
                + "devices: \(words(run))")
    }
    return (try best(answer.plan.open, settings: settings, options: options), tried)
}

/// The best by closed form, which decides what is worth simulating.
private func quickBest(
    _ plan: Plan, settings: SearchSettings, options: CostOptions
) throws(PlannerError) -> Estimate {
    var settings = settings
    settings.simulates = true
    var sized = plan.open
    sized.remarks = []
    let pricer: Pricer
    do throws(CostError) { pricer = try Pricer(plan: sized, options: options) } catch { throw .cost(error) }
    var question = SpaceQuestion()
    question.leaders = 3
    question.perSchedule = 1
    question.usable = settings.usableMemory * plan.cluster.device.memoryBytes
    question.threads = settings.threads
    let space = priceSpace(settings.space, pricer: pricer, question: question)
    guard space.feasible > 0 else { throw .noLayout("nothing fits on \(plan.devices) devices") }
    let timed = estimates(of: space.leaders, pricer: pricer, settings: settings)
    guard let first = timed.min(by: { $0.iteration.seconds < $1.iteration.seconds }) else {
        throw .noLayout("no layout could be timed")
    }
    return first
}

private func checkLimits(_ limits: RunLimits, _ plan: Plan) throws(PlannerError) {
    guard plan.tokens != nil else { throw .contradiction("the plan states no tokens, so a run has no length to limit") }
    guard limits.cost == nil || plan.cluster.pricePerDeviceHour != nil else {
        throw .contradiction(
            "\(plan.cluster.name) states no price, so nothing can be kept below a cost; add `price:` to the cluster")
    }
}

private func words(_ limits: RunLimits) -> String {
    var parts: [String] = []
    if let days = limits.days { parts.append("\(rounded(days)) days") }
    if let cost = limits.cost { parts.append("\(rounded(cost)) dollars") }
    if let gpuMonths = limits.gpuMonths { parts.append("\(rounded(gpuMonths)) GPU-months") }
    return parts.joined(separator: " and ")
}

private func words(_ run: Estimate.Run) -> String {
    "\(rounded(run.days)) days, \(rounded(run.gpuMonths)) GPU-months"
        + (run.cost.map { ", \(rounded($0)) dollars" } ?? "")
}

private func rounded(_ value: Double) -> String {
    guard value.isFinite, value < 1e15 else { return "endless" }
    return value < 100 ? "\((value * 10).rounded() / 10)" : Wording.grouped(Int(value.rounded()))
}

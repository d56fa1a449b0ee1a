package import Costs
internal import Numbers
package import Plans
internal import Reading
internal import Schedules

/// Limits a run must keep; nil leaves one open.
package struct RunLimits: Hashable, Sendable {
    package var days: Double?
    /// In `currency`.
    package var cost: Double?
    /// The currency of the plan that is limited.
    package var currency = Currency.usd
    package var gpuMonths: Double?

    package init() {}

    /// Whether no limit is set.
    package var isOpen: Bool { days == nil && cost == nil && gpuMonths == nil }

    /// How far `run` is beyond the worst of the limits: 1 at the limit; infinity where a limit cannot be judged.
    package func excess(_ run: Estimate.Run?) -> Double {
        guard let run else { return .infinity }
        var worst = 0.0
        if let days { worst = max(worst, run.days / days) }
        if let cost { worst = max(worst, (run.cost ?? .infinity) / cost) }
        if let gpuMonths { worst = max(worst, run.gpuMonths / gpuMonths) }
        return worst.isNaN ? .infinity : worst
    }

    func isKept(by estimate: Estimate) -> Bool { excess(estimate.run) <= 1 }

    /// Whether a run on `devices` that takes at least `days` may still keep all limits.
    /// - Parameter price: of a device for an hour; nil counts as free.
    func canBeKept(days least: Double, devices: Int, price: Double?) -> Bool {
        let hours = least * 24 * Double(devices)
        return least <= days ?? .infinity && hours / RunCosts.hoursPerMonth <= gpuMonths ?? .infinity
            && hours * (price ?? 0) <= cost ?? .infinity
    }

    func check(_ plan: Plan) throws(PlannerError) {
        guard plan.tokens != nil else {
            throw .contradiction("the plan states no tokens, so a run has no length to limit")
        }
        guard cost == nil || plan.cluster.pricePerDeviceHour != nil else {
            throw .contradiction(
                "\(plan.cluster.name) states no price, so nothing can be kept below a cost; add `price:` to the cluster"
            )
        }
    }

    var words: String {
        var parts: [String] = []
        if let days { parts.append("\(Self.rounded(days)) days") }
        if let cost { parts.append("\(Self.rounded(cost)) \(currency.words)") }
        if let gpuMonths { parts.append("\(Self.rounded(gpuMonths)) GPU-months") }
        return parts.joined(separator: " and ")
    }

    static func words(_ run: Estimate.Run) -> String {
        "\(rounded(run.days)) days, \(rounded(run.gpuMonths)) GPU-months"
            + (run.cost.map { ", \(rounded($0)) \(run.currency.words)" } ?? "")
    }

    private static func rounded(_ value: Double) -> String {
        guard value.isFinite, value < 1e15 else { return "endless" }
        return value < 100 ? Figures.tenths(value) : Figures.grouped(value)
    }
}

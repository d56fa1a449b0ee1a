package import Costs
package import Plans

/// The property of a plan that a sweep varies.
package enum SweepVariable: String, Hashable, Sendable, CaseIterable {
    case devices, batch, sequence, parameters, cluster, networkSpeed
}

/// One point of a sweep: the plan with one thing changed, and its best layout.
package struct SweepPoint: Sendable {
    package var label: String
    /// The varied value; for clusters their place in the list.
    package var value: Double
    package var plan: Plan
    package var estimate: Estimate?
    /// The reason why there is no estimate; empty when there is one.
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
    guard let first = try searchBestDeviceCount(plan: plan, settings: settings, options: options).candidates.first
    else {
        throw .noLayout("no layout could be timed")
    }
    return first
}

package import Costs
internal import Foundation
internal import Models
internal import Numbers
package import Plans
internal import Reading
package import ScalingLaws

/// The run that spends a budget of money, GPU-months or days: its size, its tokens and its layout.
package struct BudgetedRun: Sendable {
    /// The run, with its model, tokens and layout.
    package var estimate: Estimate
    /// Its size and tokens.
    package var run: Allocation
    /// Sizes whose layout was searched.
    package var rounds: Int
}

/// Finds the size and tokens that a law holds best among the runs that spend a budget on the plan's devices.
///
/// How many FLOPs a budget buys depends on the layout, the layout on the size, and the size, by the law, on the FLOPs. So the
/// size is searched for until it no longer changes: FLOPs a second change little with it, and three or four sizes do.
/// - Parameters:
///   - sequence: tokens a sequence; nil: those usual for the size.
///   - split: the size and tokens of a budget in FLOPs.
/// - Throws: `unreachable` where the law's size has no layout or no shape; what a search throws.
package func budgetedRun(
    _ plan: Plan, spending limits: RunLimits, sequence: Int?, settings: SearchSettings,
    options: CostOptions = CostOptions(), split: (Double) -> Allocation
) throws(PlannerError) -> BudgetedRun {
    var (limits, settings) = (limits, settings)
    limits.currency = plan.currency
    var plan = plan
    // The budget decides the tokens.
    plan.tokens = plan.tokens ?? 1
    try limits.check(plan)
    settings.top = 1
    settings.wantsFront = false
    var wanted = split(guessedFLOPs(plan, limits))
    var last: (estimate: Estimate, run: Allocation)?
    for round in 1...mostRounds {
        guard Model.shapeableParameters.contains(wanted.parameters) else {
            throw .unreachable(
                "\(limits.words) are best spent on \(Figures.words(wanted.parameters)) parameters, and a shape is chosen for "
                    + "10 million to 20 trillion")
        }
        var sized = plan.sized(parameters: wanted.parameters, sequence: sequence)
        sized.name = "\(Figures.magnitude(wanted.parameters)) parameters"
        sized.tokens = wanted.tokens
        let found = try searchBestDeviceCount(plan: sized, settings: settings, options: options).candidates.first
        guard var estimate = found else { throw .noLayout("no layout of \(sized.name) could be timed") }
        let parameters = Double(estimate.plan.model.parameters().active)
        var tokens = wanted.tokens
        // The rest of a run, such as its checkpoints, takes longer with the tokens, but not quite in proportion.
        for _ in 0..<3 {
            let excess = limits.excess(estimate.run)
            guard excess > 0, excess.isFinite else {
                throw .unreachable("\(limits.words) cannot be compared with a run that never ends or costs nothing")
            }
            tokens /= excess
            guard Bounds.tokens.contains(tokens) else {
                throw .unreachable("\(limits.words) buy \(Figures.words(tokens)) tokens: at least one is needed")
            }
            if abs(excess - 1) < 1e-6 { break }
            var changed = estimate.plan
            changed.tokens = tokens
            estimate = try price(plan: changed, layout: estimate.layout, options: options)
        }
        estimate.plan.name =
            "\(Figures.magnitude(parameters))-\(Figures.magnitude(tokens))-\(estimate.plan.devices)"
        let run = Allocation(parameters: parameters, tokens: tokens)
        last = (estimate, run)
        let next = split(run.flops)
        if abs(log(next.parameters / parameters)) < settledShare {
            return BudgetedRun(estimate: estimate, run: run, rounds: round)
        }
        wanted = next
    }
    guard let last else { throw .noLayout("no layout could be timed") }
    return BudgetedRun(estimate: last.estimate, run: last.run, rounds: mostRounds)
}

extension Plan {
    /// The plan with an open layout, a dense model of so many parameters, and the batch that is usual for it where none is
    /// stated.
    /// - Parameter sequence: tokens a sequence; nil: those usual for the size.
    func sized(parameters: Double, sequence: Int?) -> Plan {
        var sized = open
        sized.remarks = []
        sized.model = Model.shaped(parameters: parameters, sequence: sequence)
        if sized.wantedBatch != nil {
            sized.wantedBatch = Model.defaultBatch(parameters: parameters, sequence: sized.model.sequence)
        }
        return sized
    }
}

/// Sizes that differ by less count as one: the shape for a number of parameters has them to 1 %.
private let settledShare = 0.03
private let mostRounds = 6
/// Model FLOPs of a first guess over the devices' peak.
private let guessedUtilization = 0.4

/// FLOPs that the limits buy at a usual utilization.
private func guessedFLOPs(_ plan: Plan, _ limits: RunLimits) -> Double {
    let devices = Double(max(1, plan.devices))
    var seconds = Double.infinity
    if let days = limits.days { seconds = min(seconds, days * 86_400) }
    if let months = limits.gpuMonths { seconds = min(seconds, months * RunCosts.hoursPerMonth * 3600 / devices) }
    if let cost = limits.cost, let price = plan.cluster.pricePerDeviceHour, price > 0 {
        seconds = min(seconds, cost / price * 3600 / devices)
    }
    let peak = plan.cluster.device.peakFLOPs[plan.precision] ?? 1e12
    return devices * peak * guessedUtilization * seconds
}

package import Costs
internal import Models
package import Plans

/// Published figures beside the same figures as the planner gives them, by the definitions of their publications.
package struct ClaimCheck: Sendable {
    package struct Row: Sendable {
        package var claim: Claim
        /// The figure as the planner gives it; nil where it cannot.
        package var ours: Double?
        /// Device-hours that it was computed from; nil: none.
        package var hours: Double?
        /// Power of a device that it was computed from, watts; nil: none.
        package var watts: Double?

        /// The planner's figure over the published one, less 1.
        package var error: Double? { ours.map(claim.error) }
    }

    package var rows: [Row]

    /// - Parameter claims: in the order in which they are shown.
    package init(_ claims: [Claim], options: CostOptions = CostOptions()) {
        var trainings = Trainings(options: options)
        rows = claims.map { trainings.row($0) }
    }

    /// Errors of the claims of one kind.
    package func figures(of quantity: Claim.Quantity) -> ErrorFigures {
        ErrorFigures(rows.filter { $0.claim.quantity == quantity }.compactMap(\.error))
    }
}

/// Prices every training once.
private struct Trainings {
    private struct Key: Hashable {
        var subject: Claim.Subject
        var tokens: Double?
    }

    let options: CostOptions
    private var priced: [Key: Estimate?] = [:]

    init(options: CostOptions) { self.options = options }

    mutating func row(_ claim: Claim) -> ClaimCheck.Row {
        var row = ClaimCheck.Row(claim: claim)
        let bill = claim.bill
        switch claim.quantity {
        case .parameters: row.ours = Double(claim.subject.model.parameters().total)
        case .activeParameters: row.ours = Double(claim.subject.model.parameters().active)
        case .flops: row.ours = Self.flops(claim)
        case .mfu: row.ours = estimate(claim)?.mfu
        case .gpuHours: row.ours = run(claim)?.gpuHours
        case .days: row.ours = run(claim)?.days
        case .energyMWh, .co2Tonnes:
            var energy = bill.energyMWh
            if energy == nil {
                row.hours = bill.hours ?? run(claim)?.gpuHours
                row.watts = bill.watts ?? claim.subject.training?.cluster.device.watts
                energy = row.hours.flatMap { hours in row.watts.map { hours * $0 / 1e6 } }
            }
            let site = energy.map { $0 * bill.powerUsageEffectiveness }
            row.ours =
                claim.quantity == .energyMWh ? site : site.flatMap { site in bill.gramsPerKWh.map { site * $0 / 1e3 } }
        case .dollars:
            row.hours = bill.hours ?? run(claim)?.gpuHours
            let price = bill.dollarsPerHour ?? claim.subject.training?.cluster.pricePerDeviceHour
            row.ours = row.hours.flatMap { hours in price.map { hours * $0 } }
        }
        return row
    }

    /// Operations of the whole training.
    private static func flops(_ claim: Claim) -> Double? {
        let model = claim.subject.model
        guard let tokens = claim.tokens ?? claim.subject.training?.tokens, let counting = claim.counting else {
            return nil
        }
        if counting == .weights { return 6 * Double(model.parameters().active) * tokens }
        let sequence = FLOPs(model: model, sequences: 1)
        return (counting == .model ? sequence.required : sequence.hardwareFull) * tokens / Double(model.sequence)
    }

    /// The whole training; nil where it has no end.
    private mutating func run(_ claim: Claim) -> Estimate.Run? { estimate(claim)?.run?.ended }

    /// The training with the layout that its source states, or else with the fastest one.
    private mutating func estimate(_ claim: Claim) -> Estimate? {
        let key = Key(subject: claim.subject, tokens: claim.tokens)
        if let known = priced[key] { return known }
        let found = Self.estimate(claim, options: options)
        priced[key] = .some(found)
        return found
    }

    private static func estimate(_ claim: Claim, options: CostOptions) -> Estimate? {
        let subject = claim.subject
        guard var plan = subject.training?.counting(subject.kind) else { return nil }
        plan.tokens = claim.tokens ?? plan.tokens
        guard let layout = plan.layout else { return fastestLayout(of: plan, options: options) }
        return try? price(plan: plan, layout: layout, options: options)
    }
}

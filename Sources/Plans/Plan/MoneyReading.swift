package import Numbers
package import Reading

/// Money of a plan beside the price of its devices.
package struct PlanMoney: Hashable, Codable, Sendable {
    /// The currency that the plan wants its answers in; nil: that of its price.
    package var currency: Currency?
    package var rates = ExchangeRates()
    /// Costs of the run beside its devices, in the currency of the answers.
    package var costs = RunCosts()

    package init() {}
}

extension Plan {
    /// The currency of every amount of the plan.
    package var currency: Currency { cluster.kinds.lazy.compactMap(\.price?.currency).first ?? money.currency ?? .usd }

    /// The plan with another price of a device-hour.
    /// - Returns: nil if an exchange rate that it needs is not stated.
    package func priced(_ price: Price) -> Plan? {
        var plan = self
        let target = money.currency ?? price.currency
        guard let own = price.converted(to: target, money.rates),
            let factor = money.costs.isEmpty ? 1 : money.rates.converted(1, from: currency, to: target)
        else { return nil }
        plan.money.costs = money.costs.scaled(by: factor)
        plan.cluster.changeKinds { $0.price = own }
        return plan
    }
}

/// The keys of a plan about money, failures and dates, which stand over those of its cluster.
package struct MoneyReading {
    private let price: Price?
    private let failures: Failures?
    private let gridFactor: Double?
    private let costs: (costs: RunCosts, currency: Currency?)?
    private var money = PlanMoney()
    private let start: CalendarDate?

    init(_ reader: FieldReader) {
        reader.expect("price", "currency", "exchangeRates", "costs", "failures", "gridFactor", "start")
        price = Price.read(reader)
        money.currency = Currency.read(reader)
        money.rates = ExchangeRates.read(reader)
        costs = RunCosts.read(reader)
        failures = reader.map("failures").flatMap(Failures.read)
        gridFactor = reader.quantity("gridFactor", .gridFactor, in: 0...1e5)
        start = Self.date(reader)
    }

    /// Reads a day of the calendar; nil: absent, or none and reported.
    package static func date(_ reader: FieldReader, key: String = "start") -> CalendarDate? {
        guard let text = reader.scalar(key) else { return nil }
        _ = reader.take(key)
        guard let date = CalendarDate(text.trimmed) else {
            reader.report(
                key, value: "'\(text)'", rule: "must be a day from 1900 to 9999, as year-month-day",
                fix: "e.g. 2027-01-15")
            return nil
        }
        return date
    }

    /// Puts the keys into the plan, with every amount in one currency.
    func apply(to plan: inout Plan, _ reader: FieldReader) {
        let rates = money.rates
        (plan.money, plan.start) = (money, start)
        if plan.cluster.groups != nil, failures?.perDay != nil {
            reader.report(
                "failures.perDay", rule: "is of a cluster of one kind of nodes", fix: "state perNodeDay in each group")
        }
        if plan.cluster.groups != nil, failures?.spareNodes ?? 0 > 0 {
            reader.report(
                "failures.spareNodes", rule: "are of one kind, and the cluster has several groups", fix: "remove it")
        }
        plan.cluster.changeKinds { cluster in
            if let price { cluster.price = price }
            if let failures { cluster.failures = failures.over(cluster.failures ?? Failures()) }
            if let gridFactor { cluster.gridFactor = gridFactor }
        }
        if let failures, failures.spareNodes ?? 0 > 0, plan.failures.repair == nil {
            reader.report(
                "failures.spareNodes", rule: "stand in while failed nodes are repaired, which takes no time here",
                fix: "say how long, e.g. repair: 24 h")
        }
        let prices = plan.cluster.kinds.compactMap(\.price)
        let target = money.currency ?? prices.first?.currency ?? costs?.currency ?? .usd
        let others = prices.map(\.currency) + (costs.map { [$0.currency ?? target] } ?? [])
        let missing = Set(others.flatMap { rates.missing(from: $0, to: target) })
        guard missing.isEmpty else {
            let codes = missing.map(\.rawValue).sorted()
            // Where no rate is stated, the amounts that need one say where.
            func lacksRate(_ currency: Currency?) -> Bool {
                currency.map { !rates.missing(from: $0, to: target).isEmpty } ?? false
            }
            let guilty = [
                ("exchangeRates", true), ("price", lacksRate(price?.currency)), ("costs", lacksRate(costs?.currency)),
            ]
            let place = guilty.first { $0.1 && reader.contains($0.0) }?.0 ?? "currency"
            reader.report(
                place,
                rule:
                    "prices are in \(Wording.alternatives(Set(others).map(\.rawValue).sorted(), "and")) and answers in "
                    + "\(target.rawValue), and nothing says what a dollar buys of \(Wording.alternatives(codes, "and"))",
                fix: "state exchangeRates, e.g. exchangeRates: {\(codes[0]): 7.1}")
            return
        }
        plan.cluster.changeKinds { cluster in
            if let price = cluster.price { cluster.price = price.converted(to: target, rates) }
        }
        if let costs, let factor = rates.converted(1, from: costs.currency ?? target, to: target) {
            plan.money.costs = costs.costs.scaled(by: factor)
        }
        if let costs, !costs.costs.isEmpty, prices.isEmpty { plan.money.currency = target }
    }
}

internal import Numbers
package import Reading

/// What a device costs: rent by the hour, or what buying it comes to.
package struct Price: Hashable, Codable, Sendable {
    /// Rent of a device for an hour. nil: devices are bought.
    package var rent: Double?
    /// The rent that one run in twenty is below, and the one that one in twenty is above; nil: the rent is certain.
    package var range: ClosedRange<Double>?
    package var currency: Currency
    package var billing: Billing?
    /// Spot capacity: times a day that a node is taken away.
    package var preemptionsPerNodeDay: Double?
    package var purchase: Purchase?

    /// How devices are rented.
    package enum Billing: String, Hashable, Codable, Sendable, CaseIterable {
        case onDemand, reserved, spot

        package var words: String { self == .onDemand ? "on demand" : rawValue }
    }

    /// Devices that are bought.
    package struct Purchase: Hashable, Codable, Sendable {
        /// Price of a device with its part of the node and the network.
        package var perGpu: Double
        /// Years until it is written off.
        package var years: Double
        /// Fraction of its price that it is worth then.
        package var residual: Double
        /// Fraction of these hours in which it is used.
        package var utilisation: Double
        /// Power, hosting and repair of a device for an hour.
        package var upkeepPerGpuHour: Double

        package init(
            perGpu: Double, years: Double, residual: Double = 0, utilisation: Double = 1, upkeepPerGpuHour: Double = 0
        ) {
            self.perGpu = perGpu
            self.years = years
            self.residual = residual
            self.utilisation = utilisation
            self.upkeepPerGpuHour = upkeepPerGpuHour
        }

        /// Hours of a year: 365.25 days.
        package static let hoursPerYear = 8766.0

        /// Cost of an hour of use: straight-line depreciation over the hours that are used, and upkeep.
        package var perHour: Double {
            perGpu * (1 - residual) / (years * Self.hoursPerYear * utilisation) + upkeepPerGpuHour
        }

        /// Hours of use after which a bought device has cost less than a rented one; nil: it never does.
        package func breakEvenHours(rent: Double) -> Double? {
            let saved = rent - upkeepPerGpuHour
            return saved > 0 ? perGpu * (1 - residual) / saved : nil
        }
    }

    package init(perHour rent: Double, currency: Currency = .usd) {
        self.rent = rent
        self.currency = currency
    }

    private init(currency: Currency) { self.currency = currency }

    /// Cost of a device for an hour: the rent, or what a bought device comes to.
    package var perHour: Double { rent ?? purchase?.perHour ?? 0 }

    /// The price in another currency; nil: a rate that it needs is not stated.
    package func converted(to other: Currency, _ rates: ExchangeRates) -> Price? {
        guard let factor = rates.converted(1, from: currency, to: other) else { return nil }
        var price = self
        price.currency = other
        guard factor != 1 else { return price }
        price.rent = rent.map { $0 * factor }
        price.range = range.map { $0.lowerBound * factor...$0.upperBound * factor }
        price.purchase?.perGpu *= factor
        price.purchase?.upkeepPerGpuHour *= factor
        return price
    }

    /// Reads a price under `key`: a number of dollars, or a map.
    package static func read(_ reader: FieldReader, key: String = "price") -> Price? {
        if reader.scalar(key) != nil {
            return reader.number(key, .plain, in: Bounds.price).map { Price(perHour: $0) }
        }
        guard let map = reader.map(key) else { return nil }
        var price = Price(currency: Currency.read(map) ?? .usd)
        price.rent = map.number("perGpuHour", .plain, in: Bounds.price)
        price.billing = map.choice("billing", of: Billing.self)
        price.preemptionsPerNodeDay = map.number("preemptionsPerNodeDay", .plain, in: 0...1e4)
        price.range = range(map, around: price.rent)
        if let bought = map.map("purchase") { price.purchase = purchase(bought) }
        map.reportUnknownKeys()
        if !map.contains("perGpuHour"), !map.contains("purchase") {
            map.reportMissing("perGpuHour", fix: "e.g. perGpuHour: 1.8, or purchase: {perGpu: 30000, years: 4}")
        }
        if price.preemptionsPerNodeDay != nil, map.contains("billing"), price.billing != .spot {
            map.report(
                "preemptionsPerNodeDay", rule: "only spot capacity is taken away",
                fix: "say billing: spot, or remove it")
        }
        return reader.collector.hasProblem(in: [reader.join(key)]) ? nil : price
    }

    private static func range(_ map: FieldReader, around rent: Double?) -> ClosedRange<Double>? {
        guard map.contains("range"), let ends = map.numbers("range", in: Bounds.price) else { return nil }
        guard let rent, ends.count == 2, ends[0] > 0, ends[0] <= rent, rent <= ends[1] else {
            map.report(
                "range", rule: "must be two prices around perGpuHour, both above 0",
                fix: "e.g. perGpuHour: 2, range: [1.5, 3]")
            return nil
        }
        return ends[0]...ends[1]
    }

    private static func purchase(_ map: FieldReader) -> Purchase? {
        let perGpu = map.number("perGpu", .plain, in: 0...1e9)
        let years = map.number("years", .plain, in: 0.01...100)
        let residual = map.number("residual", .share, in: 0...1) ?? 0
        let utilisation = map.number("utilisation", .share, in: 0.001...1) ?? 1
        let upkeep = map.number("upkeepPerGpuHour", .plain, in: Bounds.price) ?? 0
        map.reportMissing("perGpu", fix: "e.g. perGpu: 30000, with its part of the node and the network")
        map.reportMissing("years", fix: "e.g. years: 4, until it is written off")
        map.reportUnknownKeys()
        guard let perGpu, let years else { return nil }
        return Purchase(
            perGpu: perGpu, years: years, residual: residual, utilisation: utilisation, upkeepPerGpuHour: upkeep)
    }

    /// Whether it is a rent in dollars and nothing else, which files write as a number.
    private var isPlain: Bool { self == Price(perHour: perHour) }

    /// The price as a file writes it.
    package var yaml: String {
        guard !isPlain else { return Figures.plain(perHour) }
        var fields: [String] = []
        if let rent { fields.append("perGpuHour: \(Figures.plain(rent))") }
        fields.append("currency: \(currency.rawValue)")
        if let range {
            fields.append("range: [\(Figures.plain(range.lowerBound)), \(Figures.plain(range.upperBound))]")
        }
        if let billing { fields.append("billing: \(billing.rawValue)") }
        if let preemptionsPerNodeDay {
            fields.append("preemptionsPerNodeDay: \(Figures.plain(preemptionsPerNodeDay))")
        }
        if let purchase {
            fields.append(
                "purchase: {perGpu: \(Figures.plain(purchase.perGpu)), years: \(Figures.plain(purchase.years)), "
                    + "residual: \(Figures.plain(purchase.residual)), "
                    + "utilisation: \(Figures.plain(purchase.utilisation)), "
                    + "upkeepPerGpuHour: \(Figures.plain(purchase.upkeepPerGpuHour))}")
        }
        return "{\(fields.joined(separator: ", "))}"
    }
}

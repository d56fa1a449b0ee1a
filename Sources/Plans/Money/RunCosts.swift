internal import Numbers
package import Reading

/// Costs of a whole run beside its devices, as `costs:` of a plan states them. Each is left out where it is not stated.
package struct RunCosts: Hashable, Codable, Sendable {
    /// Storage that is held for the whole run: bytes, and the price of a terabyte (10¹² bytes) for a month.
    package var storage: Storage?
    /// Bytes that leave the site, and the price of a terabyte.
    package var egress: Egress?
    /// People who work on the run, and what one costs a month.
    package var staff: Staff?
    /// Price of a kilowatt-hour at the wall, where rent does not hold it.
    package var perKilowattHour: Double?

    package struct Storage: Hashable, Codable, Sendable { package var bytes, perTerabyteMonth: Double }
    package struct Egress: Hashable, Codable, Sendable { package var bytes, perTerabyte: Double }
    package struct Staff: Hashable, Codable, Sendable { package var people, perMonth: Double }

    /// Hours of a month, as GPU-months count it.
    package static let hoursPerMonth = 730.0
    package static let daysPerMonth = hoursPerMonth / 24

    package init() {}

    package var isEmpty: Bool { self == RunCosts() }

    /// The costs with every price times `factor`.
    package func scaled(by factor: Double) -> RunCosts {
        var costs = self
        costs.storage?.perTerabyteMonth *= factor
        costs.egress?.perTerabyte *= factor
        costs.staff?.perMonth *= factor
        costs.perKilowattHour = perKilowattHour.map { $0 * factor }
        return costs
    }

    /// Reads the map's keys, and the currency of its prices.
    package static func read(_ reader: FieldReader, key: String = "costs") -> (costs: RunCosts, currency: Currency?)? {
        guard let map = reader.map(key) else { return nil }
        var costs = RunCosts()
        let currency = Currency.read(map)
        let prices = 0.0...1e9
        // A map of how much there is and what it costs; nil: absent, or reported.
        func part(
            _ key: String, _ amount: (FieldReader) -> Double?, _ example: (key: String, value: String),
            price: String, _ priceExample: String
        ) -> (amount: Double, price: Double)? {
            guard let part = map.map(key) else { return nil }
            let much = amount(part)
            let dear = part.number(price, .plain, in: prices)
            part.reportMissing(example.key, fix: "e.g. \(example.key): \(example.value)")
            part.reportMissing(price, fix: priceExample)
            part.reportUnknownKeys()
            guard let much, let dear else { return nil }
            return (much, dear)
        }
        func bytes(_ part: FieldReader) -> Double? { part.quantity("size", .bytes, in: 0...1e21) }
        costs.storage = part(
            "storage", bytes, ("size", "500 TB"), price: "perTerabyteMonth", "e.g. perTerabyteMonth: 20"
        ).map { Storage(bytes: $0.amount, perTerabyteMonth: $0.price) }
        costs.egress = part("egress", bytes, ("size", "50 TB"), price: "perTerabyte", "e.g. perTerabyte: 80")
            .map { Egress(bytes: $0.amount, perTerabyte: $0.price) }
        costs.staff = part(
            "staff", { $0.number("people", .plain, in: 0...1e6) }, ("people", "12"), price: "perMonth",
            "what one costs a month, e.g. perMonth: 20000"
        ).map { Staff(people: $0.amount, perMonth: $0.price) }
        costs.perKilowattHour = map.number("perKilowattHour", .plain, in: prices)
        map.reportUnknownKeys()
        return (costs, currency)
    }

    /// The lines of a plan that state the costs in `currency`.
    package func lines(_ currency: Currency) -> [String] {
        var lines = ["currency: \(currency.rawValue)"]
        if let storage {
            lines.append(
                "storage: {size: \(Quantity.written(storage.bytes, as: .bytes)), "
                    + "perTerabyteMonth: \(Figures.plain(storage.perTerabyteMonth))}")
        }
        if let egress {
            lines.append(
                "egress: {size: \(Quantity.written(egress.bytes, as: .bytes)), "
                    + "perTerabyte: \(Figures.plain(egress.perTerabyte))}")
        }
        if let staff {
            lines.append("staff: {people: \(Figures.plain(staff.people)), perMonth: \(Figures.plain(staff.perMonth))}")
        }
        if let perKilowattHour { lines.append("perKilowattHour: \(Figures.plain(perKilowattHour))") }
        return lines
    }
}

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

    /// Days of a month: 730 hours, as GPU-months count it.
    package static let daysPerMonth = 730.0 / 24

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
        if let part = map.map("storage") {
            let size = part.quantity("size", .bytes, in: 0...1e21)
            let price = part.number("perTerabyteMonth", .plain, in: prices)
            part.reportMissing("size", fix: "e.g. size: 500 TB")
            part.reportMissing("perTerabyteMonth", fix: "e.g. perTerabyteMonth: 20")
            part.reportUnknownKeys()
            if let size, let price { costs.storage = Storage(bytes: size, perTerabyteMonth: price) }
        }
        if let part = map.map("egress") {
            let size = part.quantity("size", .bytes, in: 0...1e21)
            let price = part.number("perTerabyte", .plain, in: prices)
            part.reportMissing("size", fix: "e.g. size: 50 TB")
            part.reportMissing("perTerabyte", fix: "e.g. perTerabyte: 80")
            part.reportUnknownKeys()
            if let size, let price { costs.egress = Egress(bytes: size, perTerabyte: price) }
        }
        if let part = map.map("staff") {
            let people = part.number("people", .plain, in: 0...1e6)
            let price = part.number("perMonth", .plain, in: prices)
            part.reportMissing("people", fix: "e.g. people: 12")
            part.reportMissing("perMonth", fix: "what one costs a month, e.g. perMonth: 20000")
            part.reportUnknownKeys()
            if let people, let price { costs.staff = Staff(people: people, perMonth: price) }
        }
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

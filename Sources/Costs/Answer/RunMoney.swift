package import Plans

/// The cost of a run by what it is paid for, in the run's currency.
package struct RunCostParts: Hashable, Codable, Sendable {
    /// Rent of the devices, or what bought ones come to.
    package var devices: Double
    /// These are 0 where the plan states none.
    package var storage = 0.0
    package var egress = 0.0
    package var staff = 0.0
    package var electricity = 0.0

    /// No costs at all.
    package init() { devices = 0 }

    /// - Parameters:
    ///   - devices: cost of the devices.
    ///   - wallEnergyMWh: energy of the site; where it is unknown, a stated price of energy counts nothing.
    package init(devices: Double, _ costs: RunCosts, days: Double, wallEnergyMWh: Double?) {
        self.devices = devices
        let months = days / RunCosts.daysPerMonth
        if let held = costs.storage { storage = held.bytes / 1e12 * held.perTerabyteMonth * months }
        if let sent = costs.egress { egress = sent.bytes / 1e12 * sent.perTerabyte }
        if let staff = costs.staff { self.staff = staff.people * staff.perMonth * months }
        if let price = costs.perKilowattHour { electricity = price * 1000 * (wallEnergyMWh ?? 0) }
    }

    /// The costs of a run that takes `factor` times as long. What leaves the site stays the same.
    package func scaled(by factor: Double) -> RunCostParts {
        var parts = self
        (parts.devices, parts.storage) = (devices * factor, storage * factor)
        (parts.staff, parts.electricity) = (staff * factor, electricity * factor)
        return parts
    }

    /// The costs of `count` such runs.
    package func times(_ count: Double) -> RunCostParts {
        var parts = scaled(by: count)
        parts.egress *= count
        return parts
    }

    package static func + (a: RunCostParts, b: RunCostParts) -> RunCostParts {
        var sum = a
        (sum.devices, sum.storage, sum.egress) = (a.devices + b.devices, a.storage + b.storage, a.egress + b.egress)
        (sum.staff, sum.electricity) = (a.staff + b.staff, a.electricity + b.electricity)
        return sum
    }

    package var total: Double { devices + storage + egress + staff + electricity }

    /// The parts beside the devices, in words; those that cost nothing are left out.
    package var added: [(name: String, cost: Double)] {
        [("storage", storage), ("egress", egress), ("staff", staff), ("electricity", electricity)].filter { $0.1 > 0 }
    }
}

/// CO2 of a run's energy, tonnes.
package struct Emissions: Hashable, Codable, Sendable {
    /// Grams a kilowatt-hour.
    package var gridFactor: Double
    /// Of the boards' energy, as model cards publish it: power of the boards × hours × grid factor.
    package var boardTonnes: Double?
    /// Of the whole site's energy.
    package var wallTonnes: Double?

    /// nil: the cluster states no grid factor, or no power.
    init?(_ run: Estimate.Run, _ cluster: Cluster) {
        // Grams a kilowatt-hour are kilograms a megawatt-hour.
        guard let factor = cluster.gridFactor, run.energyMWh != nil || run.wallEnergyMWh != nil else { return nil }
        gridFactor = factor
        boardTonnes = run.energyMWh.map { $0 * factor / 1000 }
        wallTonnes = run.wallEnergyMWh.map { $0 * factor / 1000 }
    }

    /// The sums over groups, each with its own grid factor; `gridFactor` is their mean by energy. nil: a group states none.
    init?(_ groups: ClusterGroups, hours: Double) {
        func tonnes(_ watts: @escaping (Cluster) -> Double?) -> Double? {
            groups.total { cluster in
                watts(cluster).flatMap { watts in cluster.gridFactor.map { watts * $0 } }
            }.map { $0 * hours / 1e9 }
        }
        boardTonnes = tonnes(\.device.watts)
        wallTonnes = tonnes(\.siteWatts)
        guard let tonnes = wallTonnes ?? boardTonnes,
            let watts = groups.total(wallTonnes == nil ? \.device.watts : \.siteWatts)
        else { return nil }
        gridFactor = watts > 0 ? tonnes * 1e9 / (watts * hours) : 0
    }
}

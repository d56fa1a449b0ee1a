internal import Models
internal import Plans

extension RunExplanation {
    /// Adds the datasheet peak of all devices: the sum over the groups.
    func addPeaks(_ groups: ClusterGroups, to lines: inout Derivation) {
        let precision = plan.precision
        for (place, group) in groups.list.enumerated() {
            let device = group.cluster.device
            lines.define("n_g\(place)", group.devices, "devices", "devices of group \(place): \(device.name)")
            lines.define(
                "Φ_g\(place)", device.peakFLOPs[precision] ?? .nan, "FLOP/s",
                "datasheet peak of a device of group \(place) (\(precision.rawValue))")
        }
        lines.derive(
            "peak of all devices", as: "Φ", sum(over: groups) { "n_g\($0)·Φ_g\($0)" }, "FLOP/s",
            note: "the sum over the groups")
    }

    /// Defines how often devices of each group fail.
    /// - Returns: the formula of the mean time between failures of all devices.
    func addFailures(_ groups: ClusterGroups, to lines: inout Derivation) -> String {
        var terms: [String] = []
        for (place, group) in groups.list.enumerated() {
            guard let rate = group.cluster.failuresPerSecond(devices: group.devices), rate > 0 else { continue }
            lines.define(
                "θ_g\(place)", Double(group.devices) / rate, "s",
                "mean time between failures of a device of group \(place)")
            terms.append("n_g\(place)/θ_g\(place)")
        }
        return "1/(\(terms.joined(separator: " + ")))"
    }

    /// Adds cost and energy: the sums over the groups.
    func addGroups(_ groups: ClusterGroups, to lines: inout Derivation) {
        func each(_ symbol: String, _ unit: String, _ meaning: String, _ figure: (Cluster) -> Double?) -> String? {
            guard groups.total(figure) != nil else { return nil }
            for (place, group) in groups.list.enumerated() {
                lines.define("\(symbol)_g\(place)", figure(group.cluster) ?? 0, unit, "\(meaning) of group \(place)")
            }
            return sum(over: groups) { "n_g\($0)·\(symbol)_g\($0)" }
        }
        let money = plan.currency.words
        if let prices = each("price", money, "\(money) a GPU-hour", \.pricePerDeviceHour) {
            lines.derive(
                plan.money.costs.isEmpty ? "cost" : "cost of devices", as: "cost", "days·24·(\(prices))", money,
                after: "prices of the cluster's groups")
        }
        if let watts = each("watts", "W", "power of a board", \.device.watts) {
            lines.derive(
                "energy", as: "energy", "days·24·(\(watts))/10^6", "MWh",
                after: "board power for every hour, as published totals are counted")
        }
        if let watts = each("site", "W", "power of a node and its cooling over its devices", \.siteWatts) {
            lines.derive("wall energy", as: "wall", "days·24·(\(watts))/10^6", "MWh", note: "nodes and cooling")
        }
    }

    private func sum(over groups: ClusterGroups, _ term: (Int) -> String) -> String {
        groups.list.indices.map(term).joined(separator: " + ")
    }
}

internal import Models
internal import Numbers
internal import Reading

/// The fields of a cluster file before inheritance is resolved; nil for a field that is absent or invalid.
struct ClusterFields {
    /// One entry of `networks`.
    struct Level {
        var name: String
        /// Number of devices the level joins. nil: a node's devices for all entries but the last, which joins all
        /// devices.
        var devices: Int?
        /// Bandwidth in bytes a second. nil: computed from the network cards of a node.
        var bandwidth: Double?
        var latency: Double
        /// Efficiency by the speed of a network card in Gb/s; one point if the speed does not matter.
        var efficiency: EfficiencyCurve
        var inNetworkReduction: Bool
        var allReduceEfficiency: Double?
        var oversubscription: Double
        var railOnly: Bool
    }

    var name: String?
    var deviceName: String?
    private var deviceConstants = StatedConstants(Device.constants)
    private var clusterConstants = StatedConstants(Cluster.constants)
    private var hostConstants = StatedConstants(Host.constants)
    var devicesPerNode: Int?
    var nicGbps: Double?
    var nicsPerNode: Int?
    var networks: [Level]?
    /// The groups of a cluster whose nodes are not all alike.
    var groups: GroupFields?
    /// Whether the bandwidth of the last level comes from network cards. If not, it is the level's own figure. The
    /// nearer file decides.
    var takesCards = true

    init(_ reader: FieldReader) {
        name = reader.text("name")
        _ = reader.text("source")
        _ = reader.texts("aliases")
        if let device = reader.map("device") {
            deviceName = device.text("name")
            _ = device.text("source")
            deviceConstants.read(device)
            device.reportUnknownKeys()
        }
        devicesPerNode = reader.count("devicesPerNode", in: 1...1_000_000)
        nicGbps = reader.number("nicGbps", .gigabits, in: Bounds.positive)
        nicsPerNode = reader.count("nicsPerNode", in: 1...1_000)
        networks = reader.list("networks") { reader, node, place in
            Self.level(FieldReader(node, path: place, collector: reader.collector))
        }
        if networks?.isEmpty == true {
            reader.report(
                "networks", value: "an empty list", rule: "must name at least one level",
                fix: "e.g. {name: nvlink, bandwidth: 300 GB/s, latency: 5 us, efficiency: 0.8}")
        }
        checkLastLevel(reader)
        if let host = reader.map("host") {
            _ = host.text("source")
            hostConstants.read(host)
            host.reportUnknownKeys()
        }
        // The order of keys in the message about an unknown key.
        reader.expect("price", "meanTimeBetweenFailures", "failures", "powerUsageEffectiveness", "gridFactor")
        clusterConstants.read(reader)
    }

    /// Checks the last level: it must not state its devices, since it joins all, nor its bandwidth twice.
    private mutating func checkLastLevel(_ reader: FieldReader) {
        takesCards = nicGbps != nil || nicsPerNode != nil || networks?.last?.bandwidth == nil
        guard let networks, let last = networks.last else { return }
        let path = reader.join("networks[\(networks.count - 1)]")
        if last.devices != nil {
            reader.collector.adopt(
                PlanProblem(
                    field: path + ".devices", value: last.devices.map(Figures.grouped) ?? "",
                    rule: "the last level joins every device", fix: "remove it, or add a level that joins the rest"))
        }
        if last.oversubscription > 1 {
            reader.collector.adopt(
                PlanProblem(
                    field: path + ".oversubscription", value: Figures.plain(last.oversubscription),
                    rule: "nothing is above the last level, which joins every device",
                    fix: "state it on the level below whose way out is narrow"))
        }
        if networks[0].railOnly {
            reader.collector.adopt(
                PlanProblem(
                    field: reader.join("networks[0]") + ".railOnly", value: "true",
                    rule: "rails join nodes; the first level is inside one", fix: "state it on a level above"))
        }
        if last.bandwidth != nil, nicGbps != nil || nicsPerNode != nil {
            reader.collector.adopt(
                PlanProblem(
                    field: path + ".bandwidth",
                    rule: "the network cards (nicGbps, nicsPerNode) state the last level's bandwidth too",
                    fix: "keep one of the two"))
        }
    }

    static func level(_ reader: FieldReader) -> Level? {
        let name = reader.text("name")
        let devices = reader.count("devices", in: Bounds.devices)
        let bandwidth = reader.quantity("bandwidth", .bytesPerSecond, in: 1...1e18)
        let latency = reader.quantity("latency", .seconds, in: 0...10)
        let efficiency = reader.shareOrCurve("efficiency")
        let reduces = reader.flag("inNetworkReduction") ?? false
        let allReduce = reader.number("allReduceEfficiency", .share, in: 1e-6...1)
        let oversubscription = reader.number("oversubscription", .plain, in: 1...1_000) ?? 1
        let railOnly = reader.flag("railOnly") ?? false
        for (key, example) in [("name", "nvlink"), ("latency", "5 us"), ("efficiency", "0.8")] {
            reader.reportMissing(key, fix: "e.g. \(key): \(example)")
        }
        reader.reportUnknownKeys()
        guard let name, let latency, let efficiency else { return nil }
        return Level(
            name: name, devices: devices, bandwidth: bandwidth, latency: latency, efficiency: efficiency,
            inNetworkReduction: reduces, allReduceEfficiency: allReduce, oversubscription: oversubscription,
            railOnly: railOnly)
    }

    /// The fields merged with those of `base`, the file that this one extends. This file's values win.
    func over(_ base: ClusterFields) -> ClusterFields {
        var merged = base
        // A file that extends another is another cluster, so names are not inherited.
        merged.name = name
        merged.deviceName = deviceName ?? base.deviceName
        // Runs on the base's device say nothing of a device of another name.
        let runs: Set = deviceName == nil ? [] : ["runs", "efficiencySource", "multiprocessors"]
        merged.deviceConstants = deviceConstants.over(base.deviceConstants.without(runs))
        merged.clusterConstants = clusterConstants.over(base.clusterConstants)
        merged.hostConstants = hostConstants.over(base.hostConstants)
        merged.devicesPerNode = devicesPerNode ?? base.devicesPerNode
        merged.nicGbps = nicGbps ?? base.nicGbps
        merged.nicsPerNode = nicsPerNode ?? base.nicsPerNode
        merged.networks = networks ?? base.networks
        // The nearer file wins: cards over an inherited bandwidth, a bandwidth over inherited cards.
        if nicGbps != nil || nicsPerNode != nil { merged.takesCards = true }
        if networks?.last?.bandwidth != nil { merged.takesCards = false }
        return merged
    }

    /// The cluster of these fields. nil, after a report at `reader`, if something is missing.
    func cluster(name fallback: String, _ reader: FieldReader) -> ClusterReading.Result? {
        if let groups { return groups.cluster(name: name) }
        return flat(name: fallback, reader).map { ClusterReading.Result(cluster: $0) }
    }

    /// The cluster of these fields, which has one kind of nodes.
    func flat(name fallback: String, _ reader: FieldReader) -> Cluster? {
        var missing: [(String, String)] = []
        if deviceName == nil { missing.append(("device.name", "e.g. NVIDIA A100-SXM4-80GB")) }
        for (key, example) in deviceConstants.missing { missing.append(("device.\(key)", example)) }
        if devicesPerNode == nil { missing.append(("devicesPerNode", "e.g. 8")) }
        if networks?.isEmpty ?? true { missing.append(("networks", "at least one level")) }
        if !hostConstants.isEmpty {
            for (key, example) in hostConstants.missing { missing.append(("host.\(key)", example)) }
        }
        for (key, fix) in missing { reader.reportMissing(key, fix: fix) }
        guard let deviceName, let devicesPerNode, let networks, missing.isEmpty,
            let levels = levels(networks, devicesPerNode: devicesPerNode, reader)
        else { return nil }
        var stated = Device(unstated: deviceName)
        deviceConstants.apply(to: &stated)
        // Without a curve of its own, attention reaches the efficiency of matrix products.
        if !deviceConstants.states("attentionEfficiency") { stated.attentionEfficiency = stated.matmulEfficiency }
        var made = Cluster(name: name ?? fallback, device: stated, devicesPerNode: devicesPerNode, networks: levels)
        clusterConstants.apply(to: &made)
        if !hostConstants.isEmpty {
            var host = Host()
            hostConstants.apply(to: &host)
            made.host = host
        }
        return made
    }

    private func levels(_ networks: [Level], devicesPerNode: Int, _ reader: FieldReader) -> [Network]? {
        if takesCards, let lonely = lonelyCard(networks) {
            reader.report(
                lonely.stated, rule: "is half of what the last level's bandwidth follows from, and has no effect alone",
                fix: "give \(lonely.missing) too")
            return nil
        }
        var levels: [Network] = []
        for (index, level) in networks.enumerated() {
            let outermost = index == networks.count - 1
            var bandwidth = level.bandwidth
            if outermost, takesCards, let nicGbps, let nicsPerNode {
                // From Gb/s to bytes a second, and from a node's cards to the part of each device.
                bandwidth = nicGbps * 1e9 / 8 * Double(nicsPerNode) / Double(devicesPerNode)
            }
            guard let bandwidth else {
                reader.report(
                    "networks", rule: "level '\(level.name)' has no bandwidth",
                    fix: outermost ? "give bandwidth, or nicGbps and nicsPerNode" : "e.g. bandwidth: 300 GB/s")
                return nil
            }
            let devices = outermost ? Network.everything : level.devices ?? devicesPerNode
            if let previous = levels.last, devices <= previous.devices, previous.devices > 1, !outermost {
                reader.report("networks", rule: "levels must widen from inside out; '\(level.name)' does not")
                return nil
            }
            var network = Network(
                name: level.name, devices: devices, bytesPerSecond: bandwidth, latencySeconds: level.latency,
                efficiency: level.efficiency.share(of: nicGbps ?? .infinity),
                inNetworkReduction: level.inNetworkReduction,
                allReduceEfficiency: level.allReduceEfficiency)
            (network.oversubscription, network.railOnly) = (level.oversubscription, level.railOnly)
            levels.append(network)
        }
        return levels
    }
}

extension ClusterFields {
    /// The figure of network cards that is stated without the other one and has no effect alone; nil if there is none.
    private func lonelyCard(_ networks: [Level]) -> (stated: String, missing: String)? {
        if nicsPerNode != nil, nicGbps == nil { return ("nicsPerNode", "nicGbps") }
        // An efficiency curve with several points is read at a card's speed, so the speed alone has an effect.
        let isRead = networks.contains { $0.efficiency.points.count > 1 }
        if nicGbps != nil, nicsPerNode == nil, !isRead { return ("nicGbps", "nicsPerNode") }
        return nil
    }
}

extension Network {
    /// Number of devices of the outermost level, which joins all: larger than any cluster.
    package static let everything = 1 << 40
}

internal import Models
package import Reading

/// One level of a cluster's network.
package struct Network: Hashable, Codable, Sendable {
    package var name: String
    /// Devices that one instance of this level joins: e.g. 8 in a node, all devices for the outermost level.
    package var devices: Int
    /// Bandwidth of each device in one direction while all devices send, bytes a second. Network cards are divided
    /// among devices.
    package var bytesPerSecond: Double
    /// Latency: seconds that one step of a collective or one transfer costs beyond its bytes.
    package var latencySeconds: Double
    /// Fraction of the bandwidth that large messages reach.
    package var efficiency: Double
    /// Fraction of the bandwidth that all-reduces reach: ring all-reduces, or in-switch ones with `inNetworkReduction`.
    package var allReduceEfficiency: Double
    /// Whether switches compute all-reduces (SHARP, NVLS).
    package var inNetworkReduction: Bool
    /// Bandwidth into one instance of this level over the bandwidth out of it: devices that send to another instance,
    /// over any level above, share its narrower way out.
    package var oversubscription = 1.0
    /// Whether this level joins only devices at the same place of their node (Wang et al. 2023, rail-only). Others reach
    /// one another over the node's own network first.
    package var railOnly = false

    package init(
        name: String, devices: Int, bytesPerSecond: Double, latencySeconds: Double, efficiency: Double,
        inNetworkReduction: Bool = false, allReduceEfficiency: Double? = nil
    ) {
        self.allReduceEfficiency = allReduceEfficiency ?? efficiency
        self.name = name
        self.devices = devices
        self.bytesPerSecond = bytesPerSecond
        self.latencySeconds = latencySeconds
        self.efficiency = efficiency
        self.inNetworkReduction = inNetworkReduction
    }
}

/// The devices and networks that a model is trained on.
package struct Cluster: Hashable, Codable, Sendable {
    package var name: String
    package var device: Device
    package var devicesPerNode: Int
    /// Networks from the innermost to the outermost; the last one joins all nodes.
    package var networks: [Network]
    /// The host of a node; nil: unknown, and nothing can be offloaded to it.
    package var host: Host?
    /// Price of a device. nil: no cost is computed.
    package var price: Price?
    /// Failures of nodes or whole runs, and what follows from one; nil leaves all to defaults.
    package var failures: Failures?
    /// Grams of CO2 that the site's power stations emit for a kilowatt-hour. nil: no emissions are computed.
    package var gridFactor: Double?
    /// Mean time between failures of one device, seconds. nil: goodput is 1.
    package var meanTimeBetweenFailures: Double?
    /// Energy of the whole site over the energy of its nodes (PUE). nil: unknown.
    package var powerUsageEffectiveness: Double?
    /// The kinds of nodes of a cluster whose nodes are not all alike; nil: they are.
    package var groups: ClusterGroups?

    package init(
        name: String, device: Device, devicesPerNode: Int, networks: [Network], pricePerDeviceHour: Double? = nil,
        meanTimeBetweenFailures: Double? = nil, powerUsageEffectiveness: Double? = nil
    ) {
        self.name = name
        self.device = device
        self.devicesPerNode = devicesPerNode
        self.networks = networks
        price = pricePerDeviceHour.map { Price(perHour: $0) }
        self.meanTimeBetweenFailures = meanTimeBetweenFailures
        self.powerUsageEffectiveness = powerUsageEffectiveness
    }

    /// Price of one device-hour, in the currency of `price`. nil: no cost is computed.
    package var pricePerDeviceHour: Double? { price?.perHour }

    /// Fraction of a core for each of `devices` processes. Below 1 only if the cluster is this machine alone, processor
    /// cores joined by one network, and has fewer cores than processes.
    package func coreShare(_ devices: Int) -> Double {
        guard groups == nil, networks.count == 1, devices > devicesPerNode, devicesPerNode > 0,
            device.peakFLOPs.values.max() ?? .infinity < Device.slowestAccelerator
        else { return 1 }
        return Double(devicesPerNode) / Double(devices)
    }

    /// The remark that predictions on this device were never compared with a run; nil for a device with published runs,
    /// and for processor cores, whose real runs print the prediction beside the measurement.
    package var remarkWithoutRuns: Remark? {
        if let groups { return groups.list.lazy.compactMap(\.cluster.remarkWithoutRuns).first }
        guard device.runs == .none, (device.peakFLOPs.values.max() ?? 0) >= Device.slowestAccelerator else {
            return nil
        }
        return Remark(
            .deviceWithoutRuns,
            "no run on \(device.name) has been compared with a prediction: efficiency is assumed from "
                + "\(device.efficiencySource ?? "what the cluster \(name) states"), and the error band is that of other devices"
        )
    }

    /// The innermost network and the number of devices it joins. nil: one network joins all devices.
    package var innermost: (name: String, reach: Int)? {
        guard networks.count > 1, let first = networks.first else { return nil }
        return (first.name, max(1, first.devices))
    }

    /// Number of devices over which a tensor-parallel or sharding group stays on the fastest network.
    package var innerReach: Int {
        if let groups { return groups.list.reduce(.max) { min($0, $1.cluster.innerReach) } }
        return innermost?.reach ?? max(1, devicesPerNode)
    }

    /// The constants of a cluster except its device and networks, in the order of a written file.
    static var constants: [ClusterConstant<Cluster>] {
        [
            ClusterConstant(
                "price", read: { reader in Price.read(reader).map { price in { $0.price = price } } },
                lines: { $0.price.map { ["price: \($0.yaml)"] } ?? [] }),
            .number("powerUsageEffectiveness", .plain, in: 1...10, \.powerUsageEffectiveness),
            .number("gridFactor", .gridFactor, in: 0...1e5, \.gridFactor),
            .number("meanTimeBetweenFailures", .seconds, in: Bounds.positive, \.meanTimeBetweenFailures),
            ClusterConstant(
                "failures",
                read: { reader in
                    reader.map("failures").flatMap(Failures.read).map { own in
                        { $0.failures = own.over($0.failures ?? Failures()) }
                    }
                },
                lines: { owner in owner.failures.map { ["failures:"] + $0.lines.map { "  " + $0 } } ?? [] }),
        ]
    }

    /// The cluster of a real run whose plan names none. It is never priced; its rates only say which formats the
    /// runtime has.
    static let here = Cluster(
        name: "here",
        device: Device(
            name: "the runtime", memoryBytes: 0, memoryBytesPerSecond: 1, memoryEfficiency: 1,
            peakFLOPs: [.fp32: 1, .bf16: 1], matmulEfficiency: EfficiencyCurve(points: []),
            attentionEfficiency: EfficiencyCurve(points: []), launchSeconds: 0, reservedBytes: 0),
        devicesPerNode: .max, networks: [])
}

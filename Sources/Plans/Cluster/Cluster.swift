internal import Models
internal import Reading

/// One level of a cluster's network.
package struct Network: Hashable, Codable, Sendable {
    package var name: String
    /// Devices that reach one another over this level (e.g. 8 in a node, everything for the outermost).
    package var devices: Int
    /// Bandwidth each device has in one direction when all of them send, bytes a second (NICs are shared out).
    package var bytesPerSecond: Double
    /// Seconds one step of a collective or one transfer costs beyond its bytes.
    package var latencySeconds: Double
    /// Share of the bandwidth large messages reach.
    package var efficiency: Double
    /// Share of the bandwidth that all-reduces reach: ring all-reduces, or in-switch ones with `inNetworkReduction`.
    package var allReduceEfficiency: Double
    /// Whether switches add up all-reduces (SHARP, NVLS).
    package var inNetworkReduction: Bool

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

/// What the model is trained on.
package struct Cluster: Hashable, Codable, Sendable {
    package var name: String
    package var device: Device
    package var devicesPerNode: Int
    /// Networks from inside out; the last one joins every node.
    package var networks: [Network]
    /// Price of one device-hour; nil leaves the cost out.
    package var pricePerDeviceHour: Double?
    /// Mean time between failures of one device, seconds; nil leaves goodput at 1.
    package var meanTimeBetweenFailures: Double?
    /// Energy the whole site draws over what its nodes draw (PUE); nil when unknown.
    package var powerUsageEffectiveness: Double?

    package init(
        name: String, device: Device, devicesPerNode: Int, networks: [Network], pricePerDeviceHour: Double? = nil,
        meanTimeBetweenFailures: Double? = nil, powerUsageEffectiveness: Double? = nil
    ) {
        self.name = name
        self.device = device
        self.devicesPerNode = devicesPerNode
        self.networks = networks
        self.pricePerDeviceHour = pricePerDeviceHour
        self.meanTimeBetweenFailures = meanTimeBetweenFailures
        self.powerUsageEffectiveness = powerUsageEffectiveness
    }

    /// Share of a core that each of `devices` processes gets where they are more than one machine has: below 1 on a
    /// cluster of processor cores that one network joins, which is this machine alone.
    package func coreShare(_ devices: Int) -> Double {
        guard networks.count == 1, devices > devicesPerNode, devicesPerNode > 0,
            device.peakFLOPs.values.max() ?? .infinity < Device.slowestAccelerator
        else { return 1 }
        return Double(devicesPerNode) / Double(devices)
    }

    /// The innermost network and the devices it joins; nil where one network joins all devices.
    package var innermost: (name: String, reach: Int)? {
        guard networks.count > 1, let first = networks.first else { return nil }
        return (first.name, max(1, first.devices))
    }

    /// Devices whose tensor-parallel and sharding groups stay on the fastest network.
    package var innerReach: Int { innermost?.reach ?? max(1, devicesPerNode) }

    /// The constants of a cluster beside its device and its networks, in the order they are written.
    static var constants: [ClusterConstant<Cluster>] {
        [
            .number("price", .plain, in: Bounds.price, \.pricePerDeviceHour),
            .number("powerUsageEffectiveness", .plain, in: 1...10, \.powerUsageEffectiveness),
            .number("meanTimeBetweenFailures", .seconds, in: Bounds.positive, \.meanTimeBetweenFailures),
        ]
    }

    /// What a real run trains on where its plan names no cluster: one nobody prices, and whose rates only say which
    /// formats the runtime knows.
    static let here = Cluster(
        name: "here",
        device: Device(
            name: "the runtime", memoryBytes: 0, memoryBytesPerSecond: 1, memoryEfficiency: 1,
            peakFLOPs: [.fp32: 1, .bf16: 1], matmulEfficiency: EfficiencyCurve(points: []),
            attentionEfficiency: EfficiencyCurve(points: []), launchSeconds: 0, reservedBytes: 0),
        devicesPerNode: .max, networks: [])
}

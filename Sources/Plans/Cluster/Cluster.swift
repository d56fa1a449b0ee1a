package import Models

/// One accelerator (or one process of a laptop): what the cost model needs to know, every figure with its source in
/// the cluster file.
package struct Device: Hashable, Codable, Sendable {
    package var name: String
    /// Bytes of device memory.
    package var memoryBytes: Double
    /// Datasheet memory bandwidth, bytes a second.
    package var memoryBytesPerSecond: Double
    /// Share of the datasheet bandwidth that memory-bound kernels reach.
    package var memoryEfficiency: Double
    /// Datasheet dense matrix-product rate by precision, FLOP/s.
    package var peakFLOPs: [Precision: Double]
    /// Share of the peak a matrix product reaches, by its size.
    package var matmulEfficiency: EfficiencyCurve
    /// Measured share of the peak that a matrix product reaches, by its shape m, n, k; nil: not measured.
    package var products: ProductTable?
    /// Model of a matrix product's efficiency from the device's tiles and waves, for devices not measured by shape; nil:
    /// its size alone decides.
    package var matmulShape: MatmulShape?
    /// Share of a product's rate on its own that it keeps inside a training step: real numbers draw more power, clocks
    /// sink.
    package var sustainedShare: Double
    /// Share of the peak that fused (flash) attention reaches, by tokens a sequence.
    package var attentionEfficiency: EfficiencyCurve
    /// Fraction of `attentionEfficiency` reached by attention kernels written for an older generation of devices.
    package var portableAttention: Double
    /// Seconds one kernel launch costs when nothing hides it.
    package var launchSeconds: Double
    /// Bytes taken by the driver, libraries and communicators before any tensor is allocated.
    package var reservedBytes: Double
    /// Board power, watts; nil when unknown (energy is then left out).
    package var watts: Double?
    /// What a node draws in training over its devices, watts; nil when unknown.
    package var nodeWatts: Double?

    /// Rate below which a device is a process on a processor core.
    package static let slowestAccelerator = 10e12

    package init(
        name: String, memoryBytes: Double, memoryBytesPerSecond: Double, memoryEfficiency: Double,
        peakFLOPs: [Precision: Double], matmulEfficiency: EfficiencyCurve, attentionEfficiency: EfficiencyCurve,
        launchSeconds: Double, reservedBytes: Double, watts: Double? = nil, matmulShape: MatmulShape? = nil,
        products: ProductTable? = nil, sustainedShare: Double = 1, portableAttention: Double = 1,
        nodeWatts: Double? = nil
    ) {
        self.name = name
        self.memoryBytes = memoryBytes
        self.memoryBytesPerSecond = memoryBytesPerSecond
        self.memoryEfficiency = memoryEfficiency
        self.peakFLOPs = peakFLOPs
        self.matmulEfficiency = matmulEfficiency
        self.attentionEfficiency = attentionEfficiency
        self.launchSeconds = launchSeconds
        self.reservedBytes = reservedBytes
        self.watts = watts
        self.nodeWatts = nodeWatts
        self.matmulShape = matmulShape
        self.products = products
        self.sustainedShare = sustainedShare
        self.portableAttention = portableAttention
    }
}

/// How long a matrix product of m × k by k × n takes on a device that gives tiles of 128 × 128 to its units, in waves:
/// `waves · units · 2·128² · (k + fill) / (sustained · peak) + overhead`.
///
/// A product of w waves is counted as (1 − quantised)·max(w, 1) + quantised·⌈w⌉ of them: kernels split tiles over the
/// last wave in part.
package struct MatmulShape: Hashable, Codable, Sendable {
    /// Multiprocessors.
    package var units: Double
    /// Share of the datasheet peak a long product of whole waves reaches.
    package var sustained: Double
    /// Depth a tile costs beyond its own k: loading the first operands, storing the result.
    package var fill: Double
    /// Share of the last wave's idle tiles that is paid for.
    package var quantised: Double
    /// Seconds a product costs beside its tiles.
    package var overhead: Double

    package init(units: Double, sustained: Double, fill: Double, quantised: Double, overhead: Double) {
        self.units = units
        self.sustained = sustained
        self.fill = fill
        self.quantised = quantised
        self.overhead = overhead
    }

    /// Edge of a tile.
    package static let tile = 128.0
}

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

package import Models
internal import Reading

/// One accelerator (or one process of a laptop): what the cost model needs to know, every figure with its source in
/// the cluster file.
package struct Device: Hashable, Codable, Sendable {
    package var name: String
    /// Bytes of device memory.
    package var memoryBytes: Double
    /// Datasheet memory bandwidth, bytes a second.
    package var memoryBytesPerSecond: Double
    /// Share of the datasheet bandwidth that memory-bound kernels reach.
    package var memoryEfficiency = 0.8
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
    package var sustainedShare = 1.0
    /// Share of the peak that fused (flash) attention reaches, by tokens a sequence.
    package var attentionEfficiency: EfficiencyCurve
    /// Fraction of `attentionEfficiency` reached by attention kernels written for an older generation of devices.
    package var portableAttention = 1.0
    /// Seconds one kernel launch costs when nothing hides it.
    package var launchSeconds = 5e-6
    /// Bytes taken by the driver, libraries and communicators before any tensor is allocated.
    package var reservedBytes = 0.0
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

    /// A device of which its file has said nothing but the name.
    init(unstated name: String) {
        self.name = name
        (memoryBytes, memoryBytesPerSecond, peakFLOPs) = (0, 0, [:])
        matmulEfficiency = EfficiencyCurve(points: [])
        attentionEfficiency = EfficiencyCurve(points: [])
    }

    /// The constants of a device, in the order of a file's keys.
    static var constants: [ClusterConstant<Device>] {
        // Products told in another way take the place of the base's.
        let products: Set = ["matmulEfficiency", "matmulShape", "products"]
        return [
            .number("memory", .bytes, in: 1e6...1e18, \.memoryBytes).required("e.g. 80 GiB"),
            .number("bandwidth", .bytesPerSecond, in: 1e6...1e18, \.memoryBytesPerSecond).required("e.g. 2039 GB/s"),
            .number("bandwidthEfficiency", .share, in: 1e-6...1, \.memoryEfficiency),
            peaks.required("e.g. {bf16: 312 TFLOP/s}"),
            .curve("matmulEfficiency", \.matmulEfficiency).required("e.g. {1G: 0.2, 64G: 0.7}"),
            .curve("attentionEfficiency", \.attentionEfficiency),
            .map("matmulShape", \.matmulShape, read: MatmulShape.init, lines: \.yaml).yielding(to: products),
            .map("products", \.products, read: ProductTable.init, lines: \.yaml).yielding(to: products),
            .number("sustained", .share, in: 0.01...2, \.sustainedShare, standard: 1),
            .number("portableAttention", .share, in: 0.01...1, \.portableAttention, standard: 1),
            .number("launch", .seconds, in: 0...10, \.launchSeconds),
            .number("reserved", .bytes, in: 0...1e15, \.reservedBytes),
            .number("power", .watts, in: Bounds.positive, \.watts),
            // Nodes of boards that draw another power are others.
            .number("nodePower", .watts, in: Bounds.positive, \.nodeWatts).yielding(to: ["power"]),
        ]
    }

    /// The rates by precision: a file that extends another states some and inherits the rest.
    private static var peaks: ClusterConstant<Device> {
        ClusterConstant(
            "peak",
            read: { reader in
                guard let map = reader.map("peak") else { return nil }
                var rates: [Precision: Double] = [:]
                for precision in Precision.allCases {
                    if let rate = map.number(precision.rawValue, .flops, in: 1e6...1e21) { rates[precision] = rate }
                }
                map.finish()
                return rates.isEmpty ? nil : { $0.peakFLOPs.merge(rates) { _, stated in stated } }
            },
            lines: { device in
                ["peak:"]
                    + Precision.allCases.compactMap { precision in
                        device.peakFLOPs[precision].map { "  \(precision.rawValue): \($0) FLOP/s" }
                    }
            })
    }
}

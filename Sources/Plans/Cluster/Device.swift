package import Models
internal import Reading

/// One accelerator, or one process on processor cores: the figures that the cost model needs. Each figure's source is
/// stated in the cluster file.
package struct Device: Hashable, Codable, Sendable {
    package var name: String
    /// Bytes of device memory.
    package var memoryBytes: Double
    /// Datasheet memory bandwidth, bytes a second.
    package var memoryBytesPerSecond: Double
    /// Fraction of the datasheet bandwidth that memory-bound kernels reach.
    package var memoryEfficiency = 0.8
    /// Datasheet dense matrix-product rate by precision, FLOP/s.
    package var peakFLOPs: [Precision: Double]
    /// Fraction of the peak that a matrix product reaches, by its FLOPs.
    package var matmulEfficiency: EfficiencyCurve
    /// Measured fraction of the peak that a matrix product reaches, by its shape m, n, k. nil: not measured.
    package var products: ProductTable?
    /// Model of a matrix product's efficiency by the device's tiles and waves, for devices that were not measured by
    /// shape. nil: only the product's size counts.
    package var matmulShape: MatmulShape?
    /// Rate of matrix products inside a training step, as a fraction of their rate in isolation. Real data draws more
    /// power than test data, so clocks sink.
    package var sustainedShare = 1.0
    /// Fraction of the peak that fused (flash) attention reaches, by tokens of a sequence.
    package var attentionEfficiency: EfficiencyCurve
    /// Fraction of `attentionEfficiency` reached by attention kernels written for an older generation of devices.
    package var portableAttention = 1.0
    /// Multiprocessors, of which collectives that run beside compute take some. nil: unknown.
    package var multiprocessors: Double?
    /// Seconds that a kernel launch costs if no other work hides it.
    package var launchSeconds = 5e-6
    /// Bytes taken by the driver, libraries and communicators before any tensor is allocated.
    package var reservedBytes = 0.0
    /// Power of the device's board, watts. nil: unknown, and energy is left out.
    package var watts: Double?
    /// Power of a node in training divided by its devices, watts. nil: unknown.
    package var nodeWatts: Double?

    /// Whether published runs on the device were compared with predictions.
    package var runs = Runs.none
    /// What the efficiency figures are taken from, for the remark on a device without runs; nil: not stated.
    package var efficiencySource: String?

    /// The published runs that predictions on a device were compared with.
    package enum Runs: String, Hashable, Codable, Sendable, CaseIterable {
        /// No run was compared.
        case none
        /// Runs in `plans/published`, which `trainyard validate` replays.
        case published
    }

    /// The chip in small letters, h100 or mi300x: the first word of the name that has a digit. Chips that differ in memory
    /// alone count as one.
    package var family: String { Self.family(of: name) }

    /// The chip that the name of a device or of a cluster file means.
    package static func family(of name: String) -> String {
        let words = name.lowercased().split { !$0.isLetter && !$0.isNumber }
        guard let chip = words.first(where: { $0.contains(where: \.isNumber) }) else { return name }
        return ["h200", "h800", "gh200"].contains(chip) ? "h100" : String(chip)
    }

    /// Peak rate below which a device counts as a process on processor cores, FLOP/s.
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

    /// A device with the defaults of cluster files, before its file's constants are set.
    init(unstated name: String) {
        self.name = name
        (memoryBytes, memoryBytesPerSecond, peakFLOPs) = (0, 0, [:])
        matmulEfficiency = EfficiencyCurve(points: [])
        attentionEfficiency = EfficiencyCurve(points: [])
    }

    /// The constants of a device, in the order of a file's keys.
    static var constants: [ClusterConstant<Device>] {
        // A nearer file that describes products in another way replaces the base's description.
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
            .choice("runs", \.runs, standard: .none),
            .text("efficiencySource", \.efficiencySource).yielding(to: products),
            .number("multiprocessors", .count, in: 1...100_000, \.multiprocessors),
            .number("launch", .seconds, in: 0...10, \.launchSeconds),
            .number("reserved", .bytes, in: 0...1e15, \.reservedBytes),
            .number("power", .watts, in: Bounds.positive, \.watts),
            // A board of another power belongs to another node, so the base's node power does not hold.
            .number("nodePower", .watts, in: Bounds.positive, \.nodeWatts).yielding(to: ["power"]),
        ]
    }

    /// Formats that a file may state a rate for although no plan trains in them yet.
    private static let futureFormats = ["fp4"]

    /// Peak rates by precision. A file that extends another may state some and inherit the others.
    private static var peaks: ClusterConstant<Device> {
        ClusterConstant(
            "peak",
            read: { reader in
                guard let map = reader.map("peak") else { return nil }
                var rates: [Precision: Double] = [:]
                for precision in Precision.allCases {
                    if let rate = map.quantity(precision.rawValue, .flops, in: 1e6...1e21) { rates[precision] = rate }
                }
                for format in futureFormats { _ = map.quantity(format, .flops, in: 1e6...1e21) }
                map.reportUnknownKeys()
                return rates.isEmpty ? nil : { $0.peakFLOPs.merge(rates) { _, stated in stated } }
            },
            lines: { device in
                ["peak:"]
                    + Precision.allCases.compactMap { precision in
                        device.peakFLOPs[precision].map {
                            "  \(precision.rawValue): \(Quantity.written($0, as: .flops))"
                        }
                    }
            })
    }
}

internal import Models
internal import Numbers
package import Plans

/// The devices that plans can name: a table, or one JSON document.
package struct DeviceListReport: Encodable, Sendable {
    private let devices: [Row]

    private struct Row: Encodable, Sendable {
        /// Name and path of the cluster file, and further names that mean it.
        var cluster, file: String
        var aliases: [String]
        var device: String
        var memoryGiB, bandwidthGBPerSecond: Double
        /// Dense peak by format, TFLOP/s.
        var peakTFLOPs: [String: Double]
        /// Absent where the cluster file states none.
        var powerWatts, dollarsPerHour: Double?
        var devicesPerNode: Int
        /// Nodes of a group; absent where the file describes one kind of nodes, of any number.
        var nodes: Int?
        var networks: [Level]
        /// Whether published runs on the device were compared with predictions.
        var hasRuns: Bool
        /// Source of the efficiency; absent where the file does not say.
        var efficiencySource: String?
    }

    private struct Level: Encodable, Sendable {
        var name: String
        /// Devices that reach one another over this level; absent at the last level, which joins all.
        var devices: Int?
        /// Bandwidth of one device in one direction.
        var bandwidthGBPerSecond: Double
    }

    package init(_ clusters: [(names: ClusterNames.Entry, cluster: Cluster)]) {
        // Every group of a cluster is a row of its own.
        let kinds = clusters.flatMap { names, cluster in
            cluster.groups?.list.map { (names, $0.cluster, $0.nodes as Int?) } ?? [(names, cluster, nil)]
        }
        devices = kinds.map { names, cluster, nodes in
            let device = cluster.device
            return Row(
                cluster: names.file, file: names.path, aliases: names.aliases, device: device.name,
                memoryGiB: Figures.gib(device.memoryBytes), bandwidthGBPerSecond: device.memoryBytesPerSecond / 1e9,
                peakTFLOPs: Dictionary(
                    uniqueKeysWithValues: device.peakFLOPs.map { ($0.key.rawValue, $0.value / 1e12) }),
                powerWatts: device.watts,
                dollarsPerHour: cluster.price.flatMap { $0.currency == .usd ? $0.perHour : nil },
                devicesPerNode: cluster.devicesPerNode, nodes: nodes,
                networks: cluster.networks.map { network in
                    Level(
                        name: network.name,
                        devices: network.devices < Network.everything ? network.devices : nil,
                        bandwidthGBPerSecond: network.bytesPerSecond / 1e9)
                },
                hasRuns: device.runs == .published, efficiencySource: device.efficiencySource)
        }
    }

    package func json() throws -> String { try JSONDocument.text(self) }

    /// The table with what its columns mean.
    /// - Parameter width: columns that it must fit in; nil: any number.
    package func text(width: Int? = nil) -> String {
        let head = ["name", "device", "GiB", "bf16", "fp8", "GB/s", "a node", "runs", "network"]
        let rows = devices.map { row in
            [
                row.cluster, row.device, Figures.fixed(row.memoryGiB, 1), Self.rate(row.peakTFLOPs["bf16"]),
                Self.rate(row.peakTFLOPs["fp8"]), Figures.grouped(row.bandwidthGBPerSecond.rounded()),
                (row.nodes.map { "\($0) × " } ?? "") + "\(row.devicesPerNode)", row.hasRuns ? "yes" : "-",
                row.networks.map(Self.level).joined(separator: ", "),
            ]
        }
        let table = Table(head: head, rows: rows, leftAligned: [0, 1, head.count - 1])
        let explanation = """
            bf16, fp8: dense peak, TFLOP/s. GB/s: of the memory. network: GB/s of a device in one direction, and how many \
            devices reach one another. runs: whether published runs were compared with predictions (trainyard validate); \
            every answer on a device without them says so.
            """
        let usage = """
            A device's name is enough: --gpu H100, --gpu "NVIDIA A100-SXM4-80GB", cluster: mi355x. The sources of all \
            figures stand in the files of cluster/.
            """
        return
            (table.lines(fitting: width, dropping: ["network", "device", "a node", "fp8"]) + [""]
            + Wrapped.lines(explanation, width: width ?? 100) + Wrapped.lines(usage, width: width ?? 100))
            .joined(separator: "\n")
    }

    private static func rate(_ peak: Double?) -> String {
        peak.map { $0 >= 10 ? Figures.grouped($0.rounded()) : Figures.significant($0) } ?? "-"
    }

    private static func level(_ level: Level) -> String {
        "\(level.name) \(Figures.plain((level.bandwidthGBPerSecond * 10).rounded() / 10))"
            + (level.devices.map { " × \(Figures.grouped($0))" } ?? "")
    }
}

internal import Models
internal import Numbers
internal import Schedules

extension Cluster {
    /// The cluster as a file that `Cluster.read` reads back to an equal value.
    ///
    /// - Parameter comment: lines put on top, e.g. when and how the figures were measured.
    package func yaml(comment: String = "") -> String {
        var lines = comment.split(separator: "\n", omittingEmptySubsequences: false).map { "# \($0)" }
        if comment.isEmpty { lines = [] }
        lines += [
            "name: \(quoted(name))", "device:", "  name: \(quoted(device.name))",
            "  memory: \(device.memoryBytes) B", "  bandwidth: \(device.memoryBytesPerSecond) B/s",
            "  bandwidthEfficiency: \(device.memoryEfficiency)", "  peak:",
        ]
        for precision in Precision.allCases {
            if let rate = device.peakFLOPs[precision] { lines.append("    \(precision.rawValue): \(rate) FLOP/s") }
        }
        lines += ["  matmulEfficiency:"] + rows(device.matmulEfficiency)
        lines += ["  attentionEfficiency:"] + rows(device.attentionEfficiency)
        if let shape = device.matmulShape {
            lines += [
                "  matmulShape:", "    units: \(Int(saturating: shape.units))", "    sustained: \(shape.sustained)",
                "    fill: \(shape.fill)", "    quantised: \(shape.quantised)", "    overhead: \(shape.overhead) s",
            ]
        }
        if let products = device.products { lines += products.yaml }
        if device.sustainedShare != 1 { lines.append("  sustained: \(device.sustainedShare)") }
        if device.portableAttention != 1 { lines.append("  portableAttention: \(device.portableAttention)") }
        lines += ["  launch: \(device.launchSeconds) s", "  reserved: \(device.reservedBytes) B"]
        if let watts = device.watts { lines.append("  power: \(watts) W") }
        if let watts = device.nodeWatts { lines.append("  nodePower: \(watts) W") }
        lines += ["devicesPerNode: \(devicesPerNode)", "networks:"]
        for (index, network) in networks.enumerated() {
            lines.append("  - name: \(quoted(network.name))")
            if index < networks.count - 1 { lines.append("    devices: \(network.devices)") }
            lines += [
                "    bandwidth: \(network.bytesPerSecond) B/s", "    latency: \(network.latencySeconds) s",
                "    efficiency: \(network.efficiency)",
            ]
            if network.allReduceEfficiency != network.efficiency {
                lines.append("    allReduceEfficiency: \(network.allReduceEfficiency)")
            }
            if network.inNetworkReduction { lines.append("    inNetworkReduction: true") }
        }
        if let pricePerDeviceHour { lines.append("price: \(pricePerDeviceHour)") }
        if let powerUsageEffectiveness { lines.append("powerUsageEffectiveness: \(powerUsageEffectiveness)") }
        if let meanTimeBetweenFailures { lines.append("meanTimeBetweenFailures: \(meanTimeBetweenFailures) s") }
        return lines.joined(separator: "\n") + "\n"
    }

    private func rows(_ curve: EfficiencyCurve) -> [String] {
        curve.points.map { "    \($0.size): \($0.share)" }
    }

    private func quoted(_ text: String) -> String {
        "'" + text.replacing("'", with: "''") + "'"
    }
}

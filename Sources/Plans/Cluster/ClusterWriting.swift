internal import Models
internal import Numbers
internal import Schedules

extension Cluster {
    /// The text of a cluster file that `Cluster.read` reads back to an equal value.
    ///
    /// - Parameter comment: comment lines at the top of the file, e.g. when and how the figures were measured.
    package func yaml(comment: String = "") -> String {
        var lines = comment.split(separator: "\n", omittingEmptySubsequences: false).map { "# \($0)" }
        if comment.isEmpty { lines = [] }
        lines += ["name: \(quoted(name))", "device:", "  name: \(quoted(device.name))"]
        lines += Device.constants.flatMap { $0.lines(device) }.map { "  " + $0 }
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
            if network.oversubscription != 1 {
                lines.append("    oversubscription: \(network.oversubscription)")
            }
            if network.railOnly { lines.append("    railOnly: true") }
        }
        if let host { lines += ["host:"] + Host.constants.flatMap { $0.lines(host) }.map { "  " + $0 } }
        lines += Cluster.constants.flatMap { $0.lines(self) }
        return lines.joined(separator: "\n") + "\n"
    }

    private func quoted(_ text: String) -> String {
        "'" + text.replacing("'", with: "''") + "'"
    }
}

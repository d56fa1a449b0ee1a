internal import Models
internal import Numbers
internal import Reading
internal import Schedules

extension Cluster {
    /// The text of a cluster file that `Cluster.read` reads back to an equal value.
    ///
    /// - Parameters:
    ///   - comment: comment lines at the top of the file, e.g. when and how the figures were measured.
    ///   - known: a group's cluster in fewer lines, if some file holds it; nil: it is written out.
    package func yaml(comment: String = "", known: (Cluster) -> [String]? = { _ in nil }) -> String {
        var lines = comment.split(separator: "\n", omittingEmptySubsequences: false).map { "# \($0)" }
        if comment.isEmpty { lines = [] }
        if let groups {
            lines += ["name: \(quoted(name))", "groups:"]
            for group in groups.list {
                let own = known(group.cluster) ?? group.cluster.yaml().split(separator: "\n").map(String.init)
                lines += ["  - nodes: \(group.nodes)"] + own.map { "    " + $0 }
            }
            return (lines + ["between:"] + groups.between.lines.map { "  " + $0 }).joined(separator: "\n") + "\n"
        }
        lines += ["name: \(quoted(name))", "device:", "  name: \(quoted(device.name))"]
        lines += Device.constants.flatMap { $0.lines(device) }.map { "  " + $0 }
        lines += ["devicesPerNode: \(devicesPerNode)", "networks:"]
        for (index, network) in networks.enumerated() {
            lines.append("  - name: \(quoted(network.name))")
            if index < networks.count - 1 { lines.append("    devices: \(network.devices)") }
            lines += [
                "    bandwidth: \(Quantity.written(network.bytesPerSecond, as: .bytesPerSecond))",
                "    latency: \(Quantity.written(network.latencySeconds, as: .seconds))",
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

}

private func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

extension GroupLink {
    /// The lines of a file that state the link.
    fileprivate var lines: [String] {
        var lines = ["name: \(quoted(name))"]
        if let bytesPerSecond { lines.append("bandwidth: \(Quantity.written(bytesPerSecond, as: .bytesPerSecond))") }
        if let nicGbps { lines.append("nicGbps: \(nicGbps)") }
        if let nicsPerNode { lines.append("nicsPerNode: \(nicsPerNode)") }
        lines += ["latency: \(Quantity.written(latencySeconds, as: .seconds))", "efficiency: \(efficiency)"]
        if allReduceEfficiency != efficiency { lines.append("allReduceEfficiency: \(allReduceEfficiency)") }
        if inNetworkReduction { lines.append("inNetworkReduction: true") }
        return lines
    }
}

internal import Foundation

extension Cluster {
    /// Nodes that hold so many devices; the last one may be filled in part.
    package func nodes(of devices: Int) -> Int { max(0, devices - 1) / max(devicesPerNode, 1) + 1 }

    /// Failures a second of `devices` of this kind of nodes; nil if none are known. Spot capacity that is taken away is a
    /// failure too.
    package func failuresPerSecond(devices: Int) -> Double? {
        let nodes = Double(nodes(of: devices))
        let taken = price?.preemptionsPerNodeDay.map { $0 * nodes / 86_400 }
        let own: Double?
        if let perDay = failures?.perDay {
            own = perDay / 86_400
        } else if let perNodeDay = failures?.perNodeDay {
            own = perNodeDay * nodes / 86_400
        } else {
            own = meanTimeBetweenFailures.flatMap { $0 > 0 ? Double(devices) / $0 : nil }
        }
        guard own != nil || taken != nil else { return nil }
        return (own ?? 0) + (taken ?? 0)
    }
}

extension ClusterGroups {
    /// Nodes of all groups.
    package var nodes: Int { list.reduce(0) { $0 + $1.nodes } }

    /// Failures a second of all devices whose failures are known; nil if none are.
    package var failuresPerSecond: Double? {
        let known = list.compactMap { $0.cluster.failuresPerSecond(devices: $0.devices) }
        return known.isEmpty ? nil : known.reduce(0, +)
    }
}

extension Plan {
    /// Nodes that train; the last one may be filled in part.
    package var nodes: Int {
        cluster.groups?.nodes ?? cluster.nodes(of: devices)
    }

    /// Mean seconds between failures of all devices; nil if no failures are known, or none come. Failures of the groups of
    /// a cluster add up.
    package var meanTimeBetweenFailures: Double? {
        let rate = cluster.groups.map(\.failuresPerSecond) ?? cluster.failuresPerSecond(devices: devices)
        return rate.flatMap { $0 > 0 ? 1 / $0 : nil }
    }

    /// Figures of failures that the plan or its cluster states.
    package var failures: Failures { cluster.failures ?? Failures() }

    /// Nodes that are paid for and stand in for failed ones.
    package var spareNodes: Int { failures.spareNodes ?? 0 }

    /// Devices that are paid for: those that train, those that stay idle, and those that stand in for failed ones.
    package var rentedDevices: Int { paidDevices + spareNodes * (cluster.groups == nil ? cluster.devicesPerNode : 0) }

    /// Mean seconds that training waits after a failure for a node that is being repaired: with k spare nodes it waits when
    /// all of them are out, until the first of k + 1 is back. Erlang's loss formula (1917) gives the share of failures that
    /// find it so; it holds for repair times of any distribution.
    package var repairWait: Double {
        guard let repair = failures.repair, let between = meanTimeBetweenFailures else { return 0 }
        return repair / Double(spareNodes + 1) * Self.erlangLoss(load: repair / between, servers: spareNodes)
    }

    /// Erlang's loss formula: share of arrivals that find all of `servers` busy, at `load` arrivals in the time of one
    /// service.
    package static func erlangLoss(load: Double, servers: Int) -> Double {
        var loss = 1.0
        for server in stride(from: 1, through: servers, by: 1) { loss = load * loss / (Double(server) + load * loss) }
        return loss
    }
}

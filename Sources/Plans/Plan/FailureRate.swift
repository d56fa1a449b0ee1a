extension ClusterGroups {
    /// Failures a second of all devices whose failures are known; nil if none are.
    package var failuresPerSecond: Double? {
        let known = list.compactMap { group in
            group.cluster.meanTimeBetweenFailures.flatMap { $0 > 0 ? Double(group.devices) / $0 : nil }
        }
        return known.isEmpty ? nil : known.reduce(0, +)
    }
}

extension Plan {
    /// Mean seconds between failures of all devices; nil if no failures are known. Failures of the groups of a cluster add
    /// up.
    package var meanTimeBetweenFailures: Double? {
        if let groups = cluster.groups { return groups.failuresPerSecond.map { 1 / $0 } }
        guard let single = cluster.meanTimeBetweenFailures, single > 0 else { return nil }
        return single / Double(devices)
    }
}

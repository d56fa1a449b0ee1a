package import Models
internal import Reading

/// Rules of a cluster's groups that need the rest of the plan.
enum GroupRules {
    /// Reports every group whose device has no rate for `precision`.
    static func checkRates(_ cluster: Cluster, _ precision: Precision, _ reader: FieldReader) {
        let lacking = cluster.parts.enumerated().filter { $1.cluster.device.peakFLOPs[precision] == nil }
        let shared = Precision.allCases.filter { precision in
            cluster.parts.allSatisfy { $0.cluster.device.peakFLOPs[precision] != nil }
        }
        for (place, group) in lacking {
            reader.report(
                "precision", value: "'\(precision.rawValue)'",
                rule: "\(group.cluster.device.name) of cluster.groups[\(place)] has no rate for it",
                fix: shared.isEmpty
                    ? "no format has a rate on every group" : "use \(Wording.alternatives(shared.map(\.rawValue)))")
        }
    }
}

extension Cluster {
    /// Whether every device has a rate for a precision.
    package func hasRate(_ precision: Precision) -> Bool {
        kinds.allSatisfy { $0.device.peakFLOPs[precision] != nil }
    }

    /// The usual training format of the devices: that of the first group, or the first that all groups have.
    package var trainingPrecision: Precision {
        guard let groups else { return device.trainingPrecision }
        let wanted = groups.list.map(\.cluster.device.trainingPrecision)
        return wanted.first { precision in
            groups.list.allSatisfy { $0.cluster.device.peakFLOPs[precision] != nil }
        } ?? device.trainingPrecision
    }
}

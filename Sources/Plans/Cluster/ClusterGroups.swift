/// The network that joins the groups of a cluster.
package struct GroupLink: Hashable, Codable, Sendable {
    package var name: String
    /// Bandwidth of each device in one direction while all devices send, bytes a second. nil: it follows from the network
    /// cards of a node, which the node's devices share.
    package var bytesPerSecond: Double?
    /// Speed of a network card in Gb/s.
    package var nicGbps: Double?
    package var nicsPerNode: Int?
    package var latencySeconds: Double
    /// Fraction of the bandwidth that large messages reach.
    package var efficiency: Double
    /// Fraction of the bandwidth that all-reduces reach.
    package var allReduceEfficiency: Double
    package var inNetworkReduction: Bool

    package init(
        name: String, bytesPerSecond: Double? = nil, latencySeconds: Double, efficiency: Double,
        allReduceEfficiency: Double? = nil, inNetworkReduction: Bool = false, nicGbps: Double? = nil,
        nicsPerNode: Int? = nil
    ) {
        self.name = name
        self.bytesPerSecond = bytesPerSecond
        self.nicGbps = nicGbps
        self.nicsPerNode = nicsPerNode
        self.latencySeconds = latencySeconds
        self.efficiency = efficiency
        self.allReduceEfficiency = allReduceEfficiency ?? efficiency
        self.inNetworkReduction = inNetworkReduction
    }

    /// The link as an outermost network of nodes with this many devices.
    package func network(devicesPerNode: Int) -> Network {
        // From Gb/s to bytes a second, and from a node's cards to the part of each device.
        let cards = (nicGbps ?? 0) * 1e9 / 8 * Double(nicsPerNode ?? 0) / Double(max(1, devicesPerNode))
        return Network(
            name: name, devices: Network.everything, bytesPerSecond: bytesPerSecond ?? cards,
            latencySeconds: latencySeconds, efficiency: efficiency, inNetworkReduction: inNetworkReduction,
            allReduceEfficiency: allReduceEfficiency)
    }
}

/// The groups of a cluster whose devices or nodes are not all alike, and the network that joins them. Pipeline stages fill
/// the groups in their order.
///
/// A class, because hardly any cluster has groups.
package final class ClusterGroups: Hashable, Codable, Sendable {
    /// Nodes of one kind: a cluster of their own, of so many nodes.
    package struct Group: Hashable, Codable, Sendable {
        package var cluster: Cluster
        package var nodes: Int

        package init(cluster: Cluster, nodes: Int) { (self.cluster, self.nodes) = (cluster, nodes) }

        package var devices: Int { nodes * cluster.devicesPerNode }
    }

    /// At least two groups.
    package let list: [Group]
    package let between: GroupLink

    package init(_ list: [Group], between: GroupLink) { (self.list, self.between) = (list, between) }

    /// Devices of all groups.
    package var devices: Int { list.reduce(0) { $0 + $1.devices } }

    /// The name of a cluster of these groups that has no other: `4 × h100-80g-sxm + 8 × a100-80g-sxm`.
    package var name: String { list.map { "\($0.nodes) × \($0.cluster.name)" }.joined(separator: " + ") }

    /// The groups of every order, those of the cluster's own order first. Of more than four groups, the own order and its
    /// reverse. Orders that differ only in like groups count once.
    package var orders: [ClusterGroups] {
        guard list.count <= 4 else {
            let reversed = ClusterGroups(list.reversed(), between: between)
            return reversed == self ? [self] : [self, reversed]
        }
        var seen: Set<[Group]> = []
        var found: [ClusterGroups] = []
        func extend(_ taken: [Group], _ left: [Group]) {
            guard !left.isEmpty else {
                if seen.insert(taken).inserted { found.append(ClusterGroups(taken, between: between)) }
                return
            }
            for index in left.indices {
                var rest = left
                extend(taken + [rest.remove(at: index)], rest)
            }
        }
        extend([], list)
        return found
    }

    package static func == (a: ClusterGroups, b: ClusterGroups) -> Bool { a.list == b.list && a.between == b.between }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(list)
        hasher.combine(between)
    }
}

extension Cluster {
    /// A cluster of several groups. Its own figures are those of the first group, for all that looks at one device only.
    package init(name: String, groups: ClusterGroups) {
        self = groups.list[0].cluster
        self.name = name
        self.groups = groups
    }

    /// The cluster with its groups in another order.
    package func reordered(_ groups: ClusterGroups) -> Cluster {
        Cluster(name: name == self.groups?.name ? groups.name : name, groups: groups)
    }

    /// The groups of a cluster that has several; none if all its nodes are alike.
    package var parts: [ClusterGroups.Group] { groups?.list ?? [] }

    /// The clusters of every group, or the cluster itself.
    package var kinds: [Cluster] { groups?.list.map(\.cluster) ?? [self] }

    /// The device's name, or those of all groups with their numbers: `32 × H100 + 16 × A100`.
    package var deviceWords: String {
        guard let groups else { return device.name }
        return groups.list.map { "\($0.devices) × \($0.cluster.device.name)" }.joined(separator: " + ")
    }

    /// Changes every group, or the cluster itself.
    package mutating func changeKinds(_ change: (inout Cluster) -> Void) {
        guard let groups else { return change(&self) }
        let list = groups.list.map { group in
            var group = group
            change(&group.cluster)
            return group
        }
        self = Cluster(name: name, groups: ClusterGroups(list, between: groups.between))
    }

    /// Multiplies the bandwidth of the network between nodes, and of the one between groups.
    package mutating func scaleOutermost(by factor: Double) {
        changeKinds { cluster in
            guard let last = cluster.networks.indices.last else { return }
            cluster.networks[last].bytesPerSecond *= factor
        }
        guard let groups else { return }
        var between = groups.between
        between.bytesPerSecond = between.bytesPerSecond.map { $0 * factor }
        between.nicGbps = between.nicGbps.map { $0 * factor }
        self = Cluster(name: name, groups: ClusterGroups(groups.list, between: between))
    }
}

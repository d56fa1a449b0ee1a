internal import Numbers
internal import Reading

/// `groups` and `between` of a cluster file, before they are made a cluster.
struct GroupFields {
    static let nodesKey = "nodes"
    static let key = "groups"
    private static let linkKey = "between"
    /// Keys of a cluster of one kind of nodes, which groups state for themselves.
    private static let flat: Set = [
        "extends", "device", "devicesPerNode", "nicGbps", "nicsPerNode", "networks", "price",
        "meanTimeBetweenFailures", "failures", "powerUsageEffectiveness", "gridFactor",
    ]

    private let list: [ClusterGroups.Group]
    private let between: GroupLink?

    /// Reads the groups that `reader` states; nil: none, or wrong ones, which are reported.
    static func read(_ reader: FieldReader, library: Library) -> GroupFields? {
        reader.expect(key, linkKey)
        guard reader.contains(key) else {
            if reader.contains(linkKey) {
                _ = reader.take(linkKey)
                reader.report(linkKey, rule: "joins groups, and there are none", fix: "give groups, or remove it")
            }
            return nil
        }
        for stated in reader.keys where flat.contains(stated) {
            reader.report(
                stated, rule: "describes a cluster of one kind of nodes, beside groups, which have their own",
                fix: "state it in a group")
        }
        let places = reader.list(key) { reader, node, place in
            group(FieldReader(node, path: place, collector: reader.collector), library: library)
        }
        let between = link(reader)
        guard let places else { return nil }
        guard !places.isEmpty else {
            reader.report(
                key, value: "an empty list", rule: "must name at least one group",
                fix: "e.g. {extends: h100-80g-sxm, nodes: 4}")
            return nil
        }
        let devices = places.reduce(0) { $0 + $1.devices }
        guard devices <= Bounds.devices.upperBound else {
            reader.report(
                key, value: Figures.grouped(devices),
                rule: "has more than the \(Figures.grouped(Bounds.devices.upperBound)) devices a plan may have",
                fix: "lower the nodes of a group")
            return nil
        }
        if places.count > 1, !reader.contains(linkKey) {
            reader.reportMissing(
                linkKey,
                fix: "the network between groups, e.g. {name: ethernet, bandwidth: 12.5 GB/s, latency: 20 us, "
                    + "efficiency: 0.8}")
        }
        guard places.count == 1 || between != nil else { return nil }
        return GroupFields(list: places, between: between)
    }

    private static func group(_ reader: FieldReader, library: Library) -> ClusterGroups.Group? {
        let nodes = reader.count(nodesKey, in: 1...1_000_000)
        reader.reportMissing(nodesKey, fix: "e.g. nodes: 4")
        if reader.contains(key) {
            reader.report(key, rule: "a group is one kind of nodes, and has no groups", fix: "list them side by side")
        }
        guard let fields = ClusterReading.resolved(reader, library: library, depth: 0) else { return nil }
        guard fields.groups == nil else { return nil }
        guard let cluster = fields.flat(name: ClusterReading.name(of: reader, library: library), reader), let nodes
        else { return nil }
        return ClusterGroups.Group(cluster: cluster, nodes: nodes)
    }

    /// The network between groups; nil: none, or a wrong one, which is reported.
    private static func link(_ reader: FieldReader) -> GroupLink? {
        guard let map = reader.map(linkKey) else { return nil }
        let gbps = map.number("nicGbps", .gigabits, in: Bounds.positive)
        let cards = map.count("nicsPerNode", in: 1...1_000)
        if (gbps == nil) != (cards == nil), map.contains("nicGbps") != map.contains("nicsPerNode") {
            let (stated, missing) = gbps == nil ? ("nicsPerNode", "nicGbps") : ("nicGbps", "nicsPerNode")
            map.report(
                stated, rule: "is half of what the bandwidth follows from, and has no effect alone",
                fix: "give \(missing) too")
        }
        guard let level = ClusterFields.level(map) else { return nil }
        for key in ["devices", "oversubscription", "railOnly"] where map.contains(key) {
            map.report(key, rule: "is not a property of the network between groups", fix: "remove it")
        }
        let isCards = gbps != nil && cards != nil
        if level.bandwidth != nil, isCards {
            map.report(
                "bandwidth", rule: "the network cards (nicGbps, nicsPerNode) state the bandwidth too",
                fix: "keep one of the two")
        }
        if !map.contains("bandwidth"), !map.contains("nicGbps"), !map.contains("nicsPerNode") {
            map.reportMissing("bandwidth", fix: "of a device, e.g. 12.5 GB/s; or give nicGbps and nicsPerNode")
        }
        guard level.bandwidth != nil || isCards else { return nil }
        return GroupLink(
            name: level.name, bytesPerSecond: level.bandwidth, latencySeconds: level.latency,
            efficiency: level.efficiency.share(of: gbps ?? .infinity),
            allReduceEfficiency: level.allReduceEfficiency, inNetworkReduction: level.inNetworkReduction,
            nicGbps: level.bandwidth == nil ? gbps : nil, nicsPerNode: level.bandwidth == nil ? cards : nil)
    }

    /// The cluster of the groups. One group is a cluster of one kind of nodes.
    func cluster(name: String?) -> ClusterReading.Result {
        let devices = list.reduce(0) { $0 + $1.devices }
        guard let between, list.count > 1 else {
            var cluster = list[0].cluster
            cluster.name = name ?? cluster.name
            return ClusterReading.Result(cluster: cluster, devices: devices)
        }
        let groups = ClusterGroups(list, between: between)
        return ClusterReading.Result(cluster: Cluster(name: name ?? groups.name, groups: groups), devices: devices)
    }
}

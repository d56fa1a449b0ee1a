internal import Costs
internal import Models
internal import Numbers
internal import Plans
internal import Schedules

/// The lines of an answer about the groups of its cluster: their ranks, blocks and memory, and the run's hours, money and energy
/// on each.
struct GroupsText {
    private let estimate: Estimate
    private let groups: ClusterGroups?

    init(_ estimate: Estimate) {
        self.estimate = estimate
        groups = estimate.plan.cluster.groups
    }

    /// A line for each group, in the order of the pipeline; none for a cluster of one kind of nodes.
    var rows: [(String, String)] {
        guard let groups, let stages = estimate.stageGroups else { return [] }
        let blocks = EstimateGroup.blocks(estimate)
        let totals = estimate.groupTotals
        return groups.list.enumerated().map { place, group in
            let ranks = stages.ranks(of: place)
            let peak = estimate.memoryByRank[ranks].map(\.peak).max() ?? 0
            let capacity = group.cluster.device.memoryBytes
            let held =
                ranks.count == 1 ? "rank \(ranks.lowerBound)" : "ranks \(ranks.lowerBound) to \(ranks.upperBound - 1)"
            var text =
                "\(held): \(group.nodes) × \(group.cluster.devicesPerNode) \(group.cluster.device.name), "
                + "\(blocks[place]) blocks, \(Figures.memory(peak)) of \(Figures.memory(capacity))"
            if let totals, estimate.run?.ends == true {
                text += ", \(Figures.words(totals[place].gpuHours)) GPU-hours"
                if let cost = totals[place].cost {
                    text += ", \(Figures.words(cost)) \(estimate.plan.currency.words)"
                }
                if let energy = totals[place].energyMWh { text += ", \(Figures.words(energy)) MWh" }
            }
            return (place == 0 ? "Groups" : "", text)
        }
    }

    /// The prices of all groups; nil if none is stated, or the cluster has no groups.
    var prices: String? {
        guard let groups else { return nil }
        let known = groups.list.compactMap { group in
            group.cluster.pricePerDeviceHour.map { "\(Figures.fixed($0, 2)) (\(group.cluster.name))" }
        }
        return known.isEmpty
            ? nil : known.joined(separator: ", ") + " \(estimate.plan.currency.words) a GPU-hour"
    }

    /// Names the group whose memory is filled most, as the end of the line on memory.
    var tightest: String? {
        guard let place = estimate.tightestGroup, let rank = estimate.fullest?.rank else { return nil }
        return "; group \(place) is the tightest (\(estimate.tightestDevice), rank \(rank))"
    }
}

/// One group of a cluster in the JSON document of an answer.
struct EstimateGroup: Encodable {
    var name, device: String
    var devices, nodes, devicesPerNode: Int
    /// The pipeline ranks that lie in the group, and their blocks.
    var firstRank, lastRank, layers: Int
    /// Of the group's fullest rank.
    var peakGiB: Double
    var capacityGiB: Double
    /// Absent where the plan states no tokens or its run never ends; the others also where no price or power is known.
    var gpuHours, cost, energyMWh, wallEnergyMWh: Double?

    /// The groups of an estimate's cluster; nil: it has one kind of nodes.
    static func all(_ estimate: Estimate) -> [EstimateGroup]? {
        guard let groups = estimate.plan.cluster.groups, let stages = estimate.stageGroups else { return nil }
        let blocks = blocks(estimate)
        let totals = estimate.run?.ends == true ? estimate.groupTotals : nil
        return groups.list.enumerated().map { place, group in
            let ranks = stages.ranks(of: place)
            return EstimateGroup(
                name: group.cluster.name, device: group.cluster.device.name, devices: group.devices, nodes: group.nodes,
                devicesPerNode: group.cluster.devicesPerNode, firstRank: ranks.lowerBound,
                lastRank: ranks.upperBound - 1, layers: blocks[place],
                peakGiB: Figures.gib(estimate.memoryByRank[ranks].map(\.peak).max() ?? 0),
                capacityGiB: Figures.gib(group.cluster.device.memoryBytes), gpuHours: totals?[place].gpuHours,
                cost: totals?[place].cost, energyMWh: totals?[place].energyMWh,
                wallEnergyMWh: totals?[place].wallEnergyMWh)
        }
    }

    /// Blocks that each group holds.
    static func blocks(_ estimate: Estimate) -> [Int] {
        guard let stages = estimate.stageGroups else { return [] }
        let layout = estimate.layout
        let sizes = StagePartition(layout, model: estimate.plan.model).sizes
        var blocks = [Int](repeating: 0, count: stages.firstRank.count - 1)
        for (stage, size) in sizes.enumerated() {
            let chunk = stage / layout.pipeline
            let place = stage % layout.pipeline
            let rank = layout.schedule.isFolded && chunk % 2 == 1 ? layout.pipeline - 1 - place : place
            blocks[stages.groupOfRank[rank]] += size
        }
        return blocks
    }
}

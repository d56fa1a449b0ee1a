package import Plans

extension Estimate {
    /// The groups that the pipeline ranks lie on; nil: the cluster has one kind of nodes.
    package var stageGroups: StageGroups? { plan.cluster.groups.flatMap { StageGroups($0, layout) } }

    /// The rank that fills the largest part of its device's memory.
    package var fullest: RankMemory? {
        guard let groups = plan.cluster.groups, let stages = stageGroups else {
            return memoryByRank.max { $0.peak < $1.peak }
        }
        func share(_ memory: RankMemory) -> Double {
            memory.peak / groups.list[stages.groupOfRank[memory.rank]].cluster.device.memoryBytes
        }
        return memoryByRank.max { share($0) < share($1) }
    }

    /// The place of the group whose memory is filled most; nil: the cluster has one kind of nodes.
    package var tightestGroup: Int? { stageGroups.flatMap { stages in fullest.map { stages.groupOfRank[$0.rank] } } }

    /// Bytes of memory of the fullest rank's device.
    package var capacity: Double {
        guard let groups = plan.cluster.groups, let place = tightestGroup else {
            return plan.cluster.device.memoryBytes
        }
        return groups.list[place].cluster.device.memoryBytes
    }

    /// Name of the fullest rank's device.
    package var tightestDevice: String {
        guard let groups = plan.cluster.groups, let place = tightestGroup else { return plan.cluster.device.name }
        return groups.list[place].cluster.device.name
    }

    /// Names of the clusters that the pipeline ranks lie on; nil: the cluster has one kind of nodes.
    package var placesOfRanks: [String]? {
        guard let groups = plan.cluster.groups else { return nil }
        return stageGroups.map { $0.groupOfRank.map { groups.list[$0].cluster.name } }
    }

    /// Hours, money and energy of one group of the cluster in the run.
    package struct GroupTotals: Hashable, Sendable {
        package var gpuHours: Double
        /// nil: no price, or no power, is known.
        package var cost, energyMWh, wallEnergyMWh: Double?
    }

    /// Hours, money and energy of each group of the cluster in the run; nil: the cluster has one kind of nodes, or the plan no tokens.
    package var groupTotals: [GroupTotals]? {
        guard let run, let groups = plan.cluster.groups else { return nil }
        return groups.list.map { group in
            let hours = run.days * 24 * Double(group.devices)
            return GroupTotals(
                gpuHours: hours, cost: group.cluster.pricePerDeviceHour.map { $0 * hours },
                energyMWh: group.cluster.device.watts.map { hours * $0 / 1e6 },
                wallEnergyMWh: group.cluster.siteWatts.map { hours * $0 / 1e6 })
        }
    }
}

extension Cluster {
    /// Power of a node in watts, divided by its devices; nil if no power is known.
    var nodeWatts: Double? {
        device.nodeWatts ?? device.watts.map { CostConstants.nodePowerOverBoards * $0 }
    }

    /// Power of a node and of its cooling in watts, divided by its devices; nil if no power is known.
    package var siteWatts: Double? {
        nodeWatts.map { $0 * (powerUsageEffectiveness ?? CostConstants.powerUsageEffectiveness) }
    }
}

extension ClusterGroups {
    /// The sum of a figure over all devices; nil if a group has none.
    func total(_ figure: (Cluster) -> Double?) -> Double? {
        var sum = 0.0
        for group in list {
            guard let one = figure(group.cluster) else { return nil }
            sum += Double(group.devices) * one
        }
        return sum
    }
}

internal import Numbers
package import Reading
internal import Schedules

/// The groups of a cluster that the pipeline ranks of a layout lie on: ranks fill the groups in their order, and no rank's
/// devices are of two groups.
package struct StageGroups: Hashable, Sendable {
    /// Place of each pipeline rank's group.
    package let groupOfRank: [Int]
    /// First pipeline rank of each group, and after the last the number of ranks.
    package let firstRank: [Int]

    /// nil: a stage's devices do not divide those of every group, or the ranks are not as many as fill the groups.
    package init?(_ groups: ClusterGroups, _ layout: Layout) {
        let stage = Self.devices(of: layout)
        guard stage > 0, groups.devices == layout.devices, groups.list.allSatisfy({ $0.devices % stage == 0 }) else {
            return nil
        }
        var (ranks, first): ([Int], [Int]) = ([], [0])
        for (place, group) in groups.list.enumerated() {
            ranks += [Int](repeating: place, count: group.devices / stage)
            first.append(ranks.count)
        }
        (groupOfRank, firstRank) = (ranks, first)
    }

    /// Pipeline ranks of a group.
    package func ranks(of group: Int) -> Range<Int> { firstRank[group]..<firstRank[group + 1] }

    /// Devices of a pipeline rank: tensor · context · data.
    package static func devices(of layout: Layout) -> Int {
        Int.product(layout.tensor, layout.context, layout.data) ?? .max
    }
}

extension Layout {
    /// The rules of a cluster's groups that the layout breaks.
    package func groupProblems(_ cluster: Cluster) -> [PlanProblem] {
        guard let groups = cluster.groups, groups.devices == devices else { return [] }
        let stage = StageGroups.devices(of: self)
        var problems: [PlanProblem] = []
        let most = groups.list.reduce(0) { Self.common($0, $1.devices) }
        for (place, group) in groups.list.enumerated() where group.devices % stage != 0 {
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.pipeline", value: "\(pipeline)",
                    rule: "leaves \(Figures.grouped(stage)) devices a stage (tensor · context · data), which do not "
                        + "divide the \(Figures.grouped(group.devices)) of cluster.groups[\(place)]: every stage lies in "
                        + "one group",
                    fix: "let tensor · context · data divide \(Figures.grouped(most)), e.g. \(fitting(most))"))
        }
        if problems.isEmpty, schedule.isBidirectional {
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.schedule", value: schedule.rawValue,
                    rule: "puts every stage on two ranks, which would lie in two groups of the cluster",
                    fix: "use a schedule with one copy of every stage, such as 1f1b or zbv"))
        }
        if let way = vocabularyParallel {
            problems.append(
                PlanProblem(
                    .misfit, field: "layout.vocabularyParallel", value: way.rawValue,
                    rule:
                        "divides the vocabulary among all pipeline ranks, which is not priced on groups of unlike devices",
                    fix: "remove it"))
        }
        return problems
    }

    /// Degrees near the layout's own with which stages fill groups of a multiple of `most` devices.
    private func fitting(_ most: Int) -> String {
        let inner = tensor * context
        if most % inner == 0 {
            let data = Divisors.near(self.data, dividing: most / inner).first ?? 1
            return "data \(data) with pipeline \(devices / (inner * data))"
        }
        return "tensor \(Divisors.near(tensor, dividing: most).first ?? 1) with context 1 and data 1"
    }

    /// The greatest common divisor.
    private static func common(_ a: Int, _ b: Int) -> Int {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}

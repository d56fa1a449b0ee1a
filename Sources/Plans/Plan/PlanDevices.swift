internal import Models
internal import Numbers
internal import Reading

/// The devices of a plan, and the degrees that they must be a multiple of.
extension PlanReading {
    /// The devices that the plan states, or that its cluster says it has. Both must be the same.
    func clusterDevices(_ known: ClusterReading.Result?, stated: Int?) -> Int? {
        guard let devices = known?.devices else { return stated }
        for wrong in [devicesOverride, stated] {
            guard let wrong, wrong != devices else { continue }
            reader.report(
                "devices", value: Figures.grouped(wrong),
                rule: "must be those of cluster.groups, \(Figures.grouped(devices))",
                fix: "change the nodes of a group, or remove devices", kind: .misfit)
            break
        }
        return devices
    }

    /// The devices of the plan. Sets the data-parallel degree that follows from them if the plan leaves it open.
    func resolveDevices(stated: Int?, layout open: inout LayoutReading.Result?) -> Int {
        guard var result = open else { return devicesOverride ?? stated ?? 1 }
        defer { open = result }
        let layout = result.layout
        let inner = Int.product(layout.tensor, layout.pipeline, layout.context) ?? .max
        guard let devices = devicesOverride ?? stated else { return result.layout.devices }
        if !result.dataIsGiven || devicesOverride != nil { result.layout.data = max(1, devices / inner) }
        return devices
    }

    /// A problem of degrees that do not make up the devices, where it can be mended: at `devices` if the plan states them.
    /// - Parameter keepsFix: whether other devices mend it: `--devices` can be another number, and what a cluster has stays.
    func ofDevices(
        _ problem: PlanProblem, _ cluster: ClusterReading.Result?, keepsFix: Bool = false
    ) -> PlanProblem {
        var problem = problem
        guard devicesOverride != nil || cluster?.devices != nil || !reader.contains("devices") else { return problem }
        problem.field = "layout"
        let source = devicesOverride != nil ? "--devices" : cluster?.devices != nil ? "cluster.groups" : "devices"
        problem.rule = "\(source), \(problem.value), " + problem.rule
        problem.value = ""
        if !keepsFix { problem.fix = "change a degree" }
        return problem
    }

    /// The problem of devices that the degrees do not divide, where the data-parallel degree follows from them: the user can change
    /// the devices and the degrees that are written. nil: they divide, or the degree is written.
    func problemOfFollowingData(
        _ result: LayoutReading.Result?, devices: Int, isStated: Bool, _ unknown: UnknownKeys
    ) -> PlanProblem? {
        guard let result, devicesOverride != nil || isStated && !result.dataIsGiven else { return nil }
        let layout = result.layout
        guard !["devices", "layout.tensor", "layout.pipeline", "layout.context"].contains(where: unknown.touches),
            let inner = Int.product(layout.tensor, layout.pipeline, layout.context),
            (1...Bounds.devices.upperBound).contains(inner), devices > 0, devices % inner != 0
        else { return nil }
        let down = devices / inner * inner
        let near = [down, down + inner].filter(Bounds.devices.contains).map(String.init)
        let degrees = [("tensor", layout.tensor), ("pipeline", layout.pipeline), ("context", layout.context)]
        let written = degrees.filter { $0.1 > 1 }.map { "\($0.0) \($0.1)" }.joined(separator: " · ")
        return PlanProblem(
            .misfit, field: "devices", value: "\(devices)",
            rule: "must be a multiple of \(written)" + (degrees.count { $0.1 > 1 } > 1 ? " = \(inner)" : ""),
            fix: "use \(Wording.alternatives(near)), or change a degree")
    }
}

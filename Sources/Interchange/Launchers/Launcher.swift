internal import Plans

/// Writes a job for one system that starts jobs.
protocol Launcher: Exporter {
    /// Whether a last node may have fewer ranks than the others.
    static func takesSmallerLastNode(_ software: JobSoftware) -> Bool
    /// Notes what else the system cannot do.
    static func refuse(_ plan: Plan, _ software: JobSoftware, _ gaps: inout [ExportGap])
    static func files(of job: LaunchedJob) -> [ExportedFile]
}

extension Launcher {
    static func refuse(_ plan: Plan, _ software: JobSoftware, _ gaps: inout [ExportGap]) {}

    static func software(_ plan: Plan) -> String? { JobSoftware.of(plan).framework }

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        let software = JobSoftware.of(plan)
        software.fit(&plan, &gaps)
        let nodes = JobNodes(plan)
        if let groups = plan.cluster.groups {
            if !gaps.contains(where: { $0.field == "cluster.groups" }) {
                gaps.append(
                    ExportGap("cluster.groups", groups.name, "the job asks for nodes that are all alike"))
            }
        } else if nodes.last != nodes.ranks, !takesSmallerLastNode(software) {
            let (floor, ceiling) = (
                (nodes.count - 1) * nodes.ranks, nodes.count.multipliedReportingOverflow(by: nodes.ranks)
            )
            gaps.append(
                ExportGap(
                    "devices", "\(plan.devices)",
                    "the last of \(nodes.count) nodes would have \(nodes.last) ranks and the others \(nodes.ranks), "
                        + "which this job cannot ask for; use \(floor) or \(ceiling.partialValue) devices"))
        }
        refuse(plan, software, &gaps)
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        let job = LaunchedJob(plan, layout: layout, header: header, context: context)
        guard case .trainyard = job.program else { return files(of: job) }
        return files(of: job) + [context.planFile(plan)]
    }
}

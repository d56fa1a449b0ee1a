internal import Plans

/// Writes the plan itself, with every value that was chosen or concluded.
enum TrainyardExport: Exporter {
    static let target = ExportTarget.trainyard

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {}

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        [ExportedFile("plan.yaml", PlainComment.lines(header).joined(separator: "\n") + "\n" + context.planText)]
    }
}

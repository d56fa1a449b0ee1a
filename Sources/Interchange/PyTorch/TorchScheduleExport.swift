internal import Plans
internal import Schedules

/// Writes the pipeline of a plan as the CSV that PyTorch's pipeline runtime runs.
enum TorchScheduleExport: Exporter {
    static let target = ExportTarget.torchSchedule

    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard let layout = plan.layout else { return }
        if layout.pipeline == 1 {
            gaps.append(ExportGap("layout.pipeline", "1", "there is no schedule without a pipeline"))
            return
        }
        guard let schedule = schedule(plan, layout) else { return }
        do throws(ScheduleCSV.Reason) {
            _ = try ScheduleCSV.text(schedule)
        } catch {
            plan.drop(error == .vocabulary ? .vocabularyParallel : .otherSchedule, because: error.words, &gaps)
        }
    }

    /// The lists of a step; nil: the layout has none for its micro-batches, and no price either.
    private static func schedule(_ plan: Plan, _ layout: Layout) -> Schedule? {
        let slice = max(1, layout.data * layout.microbatch)
        return try? layout.schedule.schedule(layout.pipelineShape(microbatches: max(1, plan.batch / slice)))
    }

    static func files(
        _ plan: Plan, layout: Layout, header: [String], context: ExportContext
    ) -> [ExportedFile] {
        guard let schedule = context.searched?.schedule ?? schedule(plan, layout),
            let text = try? ScheduleCSV.text(schedule)
        else { return [] }
        // The reader of PyTorch knows no comments, so that the header is a file of its own.
        let lines =
            header
            + (context.searched.map { ["The lists are searched ones, \($0.words)."] } ?? []).map(PlainComment.line)
        return [
            ExportedFile("schedule.csv", text),
            ExportedFile("schedule.txt", lines.joined(separator: "\n") + "\n"),
        ]
    }
}

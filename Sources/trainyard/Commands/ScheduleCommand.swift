internal import ArgumentParser
internal import Reports
internal import Schedules

/// `trainyard schedule NAME`: prints the action lists of a pipeline schedule.
struct ScheduleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule",
        abstract: "Print the action lists of a pipeline schedule.",
        discussion: """
            One list a rank, in the order the rank runs it. 0F3 is the forward of micro-batch 3 on stage 0 and 0B3 its \
            backward. The combination of ranks, virtual stages and micro-batches is checked; an illegal one ends with \
            exit code 2 and the rule it breaks.

            With --vocabulary-parallel every rank also runs 0S3 and 0T3, its parts of the output layer.
            """)

    @Argument(
        help: ArgumentHelp(
            "\(ScheduleName.allCases.map(\.rawValue).joined(separator: ", ")); or a name other tools use, such as zb1p "
                + "or ZBVZeroBubble."))
    var name: String

    @OptionGroup var shape: PipelineOptions

    @Flag(help: "Print one JSON document.")
    var json = false

    @Flag(help: "Print the CSV that PyTorch's pipeline runtime runs (torch.distributed.pipelining).")
    var csv = false

    func validate() throws {
        if csv, json { throw ValidationError("Give --csv or --json, not both.") }
    }

    mutating func run() throws {
        let schedule = try shape.schedule(named: name)
        if csv {
            try print(ActionFile.csv(schedule), terminator: "")
            return
        }
        let report = ScheduleReport(schedule)
        try print(json ? report.json : report.text)
    }
}

internal import ArgumentParser
internal import Costs
internal import Options
internal import Output
internal import Plans
internal import Reading

/// `trainyard plan FILE`: prices a plan.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Price a plan: time, cost, memory, and the split where the plan leaves it open.",
        discussion: """
            A plan file says what is trained, on what, and how it is split. Where it says `layout: auto`, every split \
            is priced and the fastest that fits is taken.

              trainyard plan plans/100b-3t-1024.yaml
              trainyard plan plans/gpt3-175b-1024-a100.yaml --explain
              trainyard plan plans/gpt3-175b-1024-a100.yaml --search --devices 2048
              trainyard plan plans/100b-3t-1024.yaml --json | jq .run.days
              trainyard plan plans/100b-3t-1024.yaml --by 180d --within 20M

            Exit code 3 means that the plan does not fit: in memory, or because its numbers do not divide.
            """)

    @Argument(help: "The plan file.")
    var file: String

    @Option(help: "Devices, instead of the plan's; the data-parallel degree of a layout follows.")
    var devices: Count?

    @Flag(help: "Search for the fastest layout even if the plan has one.")
    var search = false

    @OptionGroup var chooser: LayoutSearchOptions

    @OptionGroup(title: "Risk") var risk: RiskOptions

    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        try OutputFile.check(output.files)
        var sources = ReadFiles()
        var plan = try PlanFile.read(file, devices: devices?.value, files: &sources)
        try OutputFile.check(output.files, reading: [NamedPath("the plan", file)], sources)
        try output.price.apply(to: &plan)
        Console.notes(plan.firmRemarks)
        let answer = output.writePlan ?? (search || devices != nil ? nil : file)
        try Answer(plan: plan, searching: search || plan.layout == nil, settings: chooser.settings()).print(
            output, risk: risk
        ) {
            ExportHint.line($0, file: answer)
        }
    }
}

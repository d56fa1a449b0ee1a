internal import ArgumentParser
internal import Costs
internal import Numbers
internal import Options
internal import Output
internal import Planner
internal import Plans
internal import Reading
internal import Reports
internal import Schedules

/// `trainyard search FILE`: ranks the layouts of a plan.
struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Rank the layouts of a plan that fit in memory.",
        discussion: """
            Every combination of tensor, pipeline, virtual stages, data, context and expert degree, micro-batch, \
            schedule, recomputation and sharding is priced; the best, and the best of every schedule, are timed by the \
            simulator. A layout in the plan stands beside them as `yours`; options fix single fields.

              trainyard search plans/100b-3t-1024.yaml
              trainyard search plans/gpt3-175b-1024-a100.yaml --tensor 8 \\
                  --schedules 1f1b,interleaved-1f1b
              trainyard search plans/gpt3-175b-1024-a100.yaml --pareto --top 5
              trainyard search plans/100b-3t-1024.yaml --objective devices
              trainyard search plans/100b-3t-1024.yaml --json | jq '.candidates[0].layout'
            """)

    @Argument(help: "The plan file.")
    var file: String

    @Option(help: "Layouts to print.")
    var top: Count = 20

    @Option(help: "Devices, instead of the plan's.")
    var devices: Count?

    @Option(help: "What is best: time, cost, memory or devices. For cost and devices fewer devices are tried too.")
    var objective: SearchObjective = .time

    @Flag(help: "Print the layouts that no other beats in both time and memory, too.")
    var pareto = false

    @OptionGroup(title: "Constraints") var space: SearchSpaceOptions

    @Option(help: "Concurrent workers; one a core if left out. The answer is the same.")
    var threads: Count?

    @Option(
        help: ArgumentHelp(
            "Write the plan with the layout of a row, the first unless --row says.", valueName: "plan.yaml"))
    var writePlan: String?

    @Option(help: "The row of the table that --write-plan writes.")
    var row: Count?

    @OptionGroup var price: PriceOption
    @OptionGroup var width: WidthOption

    @Flag(help: "Print one JSON document.")
    var json = false

    func validate() throws {
        try check("--top", top, in: 1...10_000)
        try check("--threads", threads, in: 1...1024)
        try check("--row", row, in: 1...top.value)
        if row != nil, writePlan == nil { throw ValidationError("--row is for --write-plan") }
    }

    mutating func run() throws {
        let files = [NamedPath("--write-plan", writePlan)].compactMap(\.self)
        try OutputFile.check(files)
        var settings = try space.settings()
        settings.top = top.value
        settings.objective = objective
        settings.wantsFront = pareto
        settings.threads = threads?.value
        var sources = ReadFiles()
        var plan = try PlanFile.read(file, devices: devices?.value, files: &sources)
        try OutputFile.check(files, reading: [NamedPath("the plan", file)], sources)
        try space.apply(to: &plan)
        try price.apply(to: &plan)
        plan = try plan.anchored()
        plan.remarks += plan.anchoredRemarks
        if let remark = settings.space.vocabularyRemark(plan.open) { plan.remarks.append(remark) }
        Console.notes(plan.firmRemarks)
        let progress = SearchProgress()
        defer { progress.clear() }
        let shown: @Sendable (Double) -> Void = { progress.show("pricing layouts: \(Int(saturating: 100 * $0)) %") }
        let result =
            objective == .cost || objective == .devices
            ? try searchAllDeviceCounts(
                plan: plan, settings: settings, progress: { progress.show("trying \($0) devices") })
            : try searchBestDeviceCount(plan: plan, settings: settings, progress: shown)
        progress.clear()
        let notes = plan.notes(with: result.candidates) + result.remarks
        Console.notes(notes.filter { !plan.firmRemarks.contains($0) })
        if let writePlan {
            let row = row?.value ?? 1
            guard result.candidates.indices.contains(row - 1) else {
                throw Failure.input("--row: there are \(result.candidates.count) rows, not \(row)")
            }
            try PlanFile.write(result.candidates[row - 1], to: writePlan)
        }
        let report = SearchReport(result, notes: notes)
        try print(json ? report.json() : report.text(width: width.columns))
        if !json, let best = result.candidates.first {
            try print("\n" + Wrapped.fitted(ExportHint.line(best, file: writePlan), width: width.columns))
        }
    }
}

extension SearchObjective: ExpressibleByArgument {}

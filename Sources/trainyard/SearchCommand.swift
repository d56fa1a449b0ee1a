internal import ArgumentParser
internal import Planner
internal import Plans
internal import Reports

/// `trainyard search FILE`: ranked layouts.
struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Rank the layouts of a plan that fit in memory, fastest first.",
        discussion: """
            Every combination of tensor, pipeline, virtual stages, data and context degree, micro-batch, recomputation \
            and sharding is priced; the fastest are timed by the simulator. A layout in the plan is ignored.

              trainyard search plans/100b-3t-1024.yaml
              trainyard search plans/gpt3-175b-1024-a100.yaml --top 5 --devices 512
              trainyard search plans/100b-3t-1024.yaml --json | jq '.candidates[0].layout'
            """)

    @Argument(help: "The plan file.")
    var file: String

    @Option(help: "Layouts to print.")
    var top: Int = 20

    @Option(help: "Devices, instead of the plan's.")
    var devices: Int?

    @Flag(help: "Print one JSON document.")
    var json = false

    func validate() throws {
        guard (1...10_000).contains(top) else {
            throw ValidationError("--top takes 1 to 10,000 layouts, not \(top).")
        }
    }

    mutating func run() throws {
        let plan = try Plan.read(path: file, devices: devices)
        plan.remarks.forEach(Console.note)
        var settings = SearchSettings()
        settings.top = top
        let report = SearchReport(try Planner.search(plan: plan, settings: settings))
        print(json ? try report.json() : report.text())
    }
}

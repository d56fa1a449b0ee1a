internal import ArgumentParser
internal import Costs
internal import Models
internal import Options
internal import Planner
internal import Plans
internal import Reading
internal import Reports

/// `trainyard compare FILE…`: compares strategies.
struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare ways to split a model, each at its own best, and say why the others lose.",
        discussion: """
            Data parallel, ZeRO 1 to 3, FSDP inside nodes, tensor, pipeline with each schedule, 3D, context and expert \
            parallel: the fastest layout of each that fits, with time, MFU, memory, GPU-months, cost, the bytes a device \
            sends over each network, what limits it and why it loses. auto is the fastest of all, which plan takes; yours \
            is the plan's own layout. Strategies that the plan's software has not are left out unless they are asked for \
            by name or --any-software is given. --clusters asks the same of other devices.

              trainyard compare plans/100b-3t-1024.yaml
              trainyard compare plans/100b-3t-1024.yaml \\
                  --strategies zero,tensor,pipeline-1f1b,3d
              trainyard compare plans/100b-3t-1024.yaml --strategies 3d \\
                  --clusters a100-80g-sxm,h100-80g-sxm
              trainyard compare plans/100b-3t-1024.yaml --json \\
                  | jq '.comparisons[0].strategies[].verdict'
            """)

    @Argument(help: "Plan files.")
    var files: [String]

    @Option(help: "Strategies, with commas; pipeline and zero stand for all of theirs. All if left out.")
    var strategies: String?

    @Option(help: "Devices such as H100, clusters in cluster/ or cluster files, with commas, instead of the plan's.")
    var clusters: String?

    @Option(help: "Devices, instead of the plan's.")
    var devices: Count?

    @Flag(help: "Attention that keeps its scores.")
    var unfusedAttention = false

    @OptionGroup var price: PriceOption
    @OptionGroup var width: WidthOption
    @OptionGroup var chooser: LayoutSearchOptions

    @Flag(help: "Print one JSON document.")
    var json = false

    mutating func run() throws {
        let known = Strategy.all.map(\.name)
        let chosen = try strategies.map { list in
            try words(list, "--strategies", known + ["pipeline", "zero"]) { name -> [Strategy]? in
                let found = Strategy.named(name)
                return found.isEmpty ? nil : found
            }.flatMap(\.self)
        }
        var settings = try chooser.settings()
        settings.space.base.flashAttention = !unfusedAttention
        // A strategy that is asked for by name is tried even where the software lacks its schedule.
        let asked = Set((strategies ?? "").split(separator: ",").map { $0.trimmingPrefix(" ").lowercased() })
        let named = (chosen ?? []).filter { asked.contains($0.name) }.flatMap { $0.space.schedules ?? [] }
        var reports: [ComparisonReport] = []
        var nothing = true
        var notes: [Remark] = []
        for file in files {
            var sources = ReadFiles()
            var plan = try PlanFile.read(file, devices: devices?.value, files: &sources)
            // Steps were measured on the plan's own cluster.
            if clusters != nil { plan = plan.withoutMeasurements(because: "--clusters") }
            plan = try plan.anchored()
            plan.remarks += plan.anchoredRemarks
            Console.notes(plan.firmRemarks)
            var known = plan
            var estimates: [Estimate] = []
            for var variant in try onClusters(plan, clusters, file: file, sources: &sources) {
                try price.apply(to: &variant)
                var settings = settings
                if !named.isEmpty {
                    let tried = settings.space.triedSchedules(variant)
                    settings.space.schedules = tried + named.filter { !tried.contains($0) }
                }
                // All strategies run on the number of devices that is best for the whole search.
                let variant = variant.layout == nil ? onBestDeviceCount(variant, settings: settings) : variant
                let rows = try compare(plan: variant, strategies: chosen ?? Strategy.all, settings: settings)
                if rows.contains(where: \.fits) { nothing = false }
                known.remarks += variant.remarks.filter { !known.remarks.contains($0) }
                estimates += rows.compactMap(\.estimate)
                reports.append(
                    ComparisonReport(
                        rows, plan: variant.name, cluster: variant.cluster.name,
                        searched: SearchedSpace(settings.space, variant.open)))
            }
            let found = known.notes(with: estimates).filter { !notes.contains($0) }
            Console.notes(found.filter { !known.firmRemarks.contains($0) })
            notes += found
        }
        try print(
            json
                ? ComparisonReport.json(reports, notes: notes)
                : reports.map { $0.text(width: width.columns) }.joined(separator: "\n\n"))
        guard nothing else { return }
        Console.error("no strategy fits; `trainyard search FILE` says how many devices would do")
        throw ExitCode(Failure.doesNotFit)
    }
}

/// The plan on each of the named clusters, whose files are added to `sources`; on its own cluster where none is named.
func onClusters(_ plan: Plan, _ list: String?, file: String, sources: inout ReadFiles) throws -> [Plan] {
    guard let list else { return [plan] }
    let names = list.split(separator: ",").map { String($0.trimmingPrefix(" ")) }
    guard !names.isEmpty else { throw Failure.input("--clusters names no cluster") }
    return try names.map { name in
        let cluster: Cluster
        var remarks: [Remark] = []
        do throws(PlanProblems) {
            cluster = try Cluster.read(
                name, library: .standard(besides: file), files: &sources, remarks: &remarks)
        } catch {
            throw PlanProblems(
                error.problems.map { problem in
                    var named = problem
                    if problem.file == nil { named.field = "--clusters" }
                    return named
                })
        }
        var moved = plan
        moved.cluster = cluster
        Console.notes(remarks)
        moved.remarks += remarks
        if let groups = cluster.groups, groups.devices != plan.devices {
            throw Failure.input(
                "--clusters: the groups of \(cluster.name) have \(groups.devices) devices, the plan \(plan.devices)")
        }
        if !cluster.hasRate(plan.precision) {
            moved.precision = cluster.trainingPrecision
            let remark = Remark(
                .precisionChanged,
                "\(cluster.name) has no rate for \(plan.precision.rawValue); \(moved.precision.rawValue) is taken")
            Console.notes([remark])
            moved.remarks.append(remark)
        }
        return moved
    }
}

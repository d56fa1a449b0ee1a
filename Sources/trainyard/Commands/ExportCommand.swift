internal import ArgumentParser
internal import Costs
internal import Foundation
internal import Interchange
internal import Options
internal import Output
internal import Planner
internal import Plans
internal import Reading
internal import Reports
internal import Schedules
internal import Version

/// `trainyard export PLAN --to TARGET`: a plan as the files of another tool.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a plan as the configuration or the launch script of another tool.",
        discussion: """
            Targets: \(ExportTarget.allCases.map(\.rawValue).joined(separator: ", ")); all writes every one that can say the \
            plan. Where the plan leaves its layout open, the fastest one that fits is searched for.

              trainyard export plans/gpt3-175b-1024-a100.yaml --to megatron-lm --out run
              trainyard export plans/100b-3t-1024.yaml --to all --out run

            What a target cannot say is an error that names it. With --nearest the nearest plan is written instead, with \
            the price of the difference. Without --out the first file goes to standard output.
            """)

    @Argument(help: "The plan file.")
    var file: String

    @Option(help: ArgumentHelp("What the files are for, with commas; or all.", valueName: "target"))
    var to: String

    @Option(help: "Devices, instead of the plan's; the data-parallel degree of a layout follows.")
    var devices: Count?

    @Option(
        help: ArgumentHelp(
            "Folder of the files; one of its own for each target where there are several.", valueName: "folder"))
    var out: String?

    @Option(
        help: ArgumentHelp(
            "Write the action lists that a search finds in place of the plan's: optimal, for torch-schedule alone.",
            valueName: "optimal"))
    var schedule: String?

    @Flag(help: "Write the nearest plan where the target cannot say this one.")
    var nearest = false

    @Flag(help: "Write into a folder that has other files than exported ones, and over files of the same names.")
    var force = false

    @Flag(help: "Print one JSON document: files, what could not be said, and prices.")
    var json = false

    @OptionGroup var chooser: LayoutSearchOptions

    mutating func run() throws {
        let targets = try Self.targets(to)
        if let schedule {
            guard schedule == "optimal" else {
                throw Failure.input(
                    "--schedule is \(schedule); it takes optimal, and a schedule by name stands in the plan's layout")
            }
            guard targets == [.torchSchedule] else {
                throw Failure.input(
                    "--schedule optimal is for --to torch-schedule alone: no other target runs lists that a search finds"
                )
            }
        }
        let folders = try ExportFolders(out: out, targets: targets, force: force)
        var sources = ReadFiles()
        let plan = try PlanFile.read(file, devices: devices?.value, files: &sources)
        Console.notes(plan.firmRemarks)
        let answer = try Answer(plan: plan, searching: plan.layout == nil, settings: chooser.settings())
        var estimate = answer.estimate
        var searched: (schedule: Schedule, words: String)?
        if schedule != nil {
            let best = try optimalIteration(plan: estimate.plan, layout: estimate.layout, oneDirection: true)
            Console.note(best.remark)
            estimate = best.iteration.estimate
            searched = (best.iteration.schedule, best.remark)
        }
        guard estimate.fits else {
            throw Failure.misfit(
                "\(file): the plan does not fit in the memory of \(estimate.tightestDevice), so it is not exported; "
                    + "`trainyard plan \(file) --search` looks for a layout that does")
        }
        let results = try targets.map {
            try ExportResult($0, estimate: estimate, source: file, nearest: nearest, searched: searched)
        }
        let failed = results.filter { $0.export.files.isEmpty }
        if to != "all" || failed.count == results.count {
            for result in failed { result.report(as: Console.error, file: file, nearest: nearest) }
        } else {
            for result in failed { result.report(as: Console.note, file: file, nearest: nearest) }
        }
        // Of targets that are named, all are written or none.
        let written = to != "all" && !failed.isEmpty ? [] : results.filter { !$0.export.files.isEmpty }
        for result in written { result.noteGaps() }
        try folders.write(written)
        if json {
            try print(JSONDocument.text(ExportResult.Documents(exports: (written + failed).map(\.document))))
        } else if out == nil, let first = written.first?.export.files.first {
            try print(first.text, terminator: "")
        } else {
            for result in written {
                for name in result.export.files.map(\.name) { try print(folders.path(result.target, name)) }
            }
        }
        if !failed.isEmpty, to != "all" || failed.count == results.count { throw ExitCode(Failure.badInput) }
    }

    private static func targets(_ text: String) throws -> [ExportTarget] {
        if text == "all" { return ExportTarget.allCases }
        // `deepspeed@0.19` names the release that the files are to be for.
        let names = try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
            guard let at = word.firstIndex(of: "@"), let target = ExportTarget(rawValue: String(word[..<at])) else {
                return String(word)
            }
            let release = word[word.index(after: at)...]
            guard target.isFor(release) else {
                throw Failure.input(
                    "--to \(word): files of \(target.rawValue) are for \(target.version), and of no other release")
            }
            return target.rawValue
        }
        return try words(names.joined(separator: ","), "--to", ExportTarget.allCases.map(\.rawValue)) { word in
            ExportTarget(rawValue: word)
        }
    }
}

internal import ArgumentParser
internal import Foundation
internal import Inference
internal import Output
internal import Planner
internal import Plans
internal import Reading
internal import Reports

/// `trainyard validate`: predicts published runs and compares with what they took.
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Replay published training runs and print how far the predictions are off.",
        discussion: """
            The runs of plans/published/ are priced with the layouts their sources state, and compared with the times \
            and the memory they print. --runs takes other tables of that form, plan files with a `measured` map \
            (measured: {seconds: 12.5}), or a folder of either.

            --claims computes what publications state of well-known models and of their training (plans/claims/), each \
            by its publication's own definition: parameters, FLOPs, MFU, GPU-hours, days, energy, CO2 and money.

              trainyard validate
              trainyard validate --runs my-runs/ --json
              trainyard validate --whole-runs
              trainyard validate --serving
              trainyard validate --claims
              trainyard validate --claims my-claims.yaml
              trainyard validate --leave-one-source-out --markdown \\
                  --svg docs/images/validation.svg
            """)

    @Argument(help: "Files of claims, or folders of them, in place of plans/claims/; only with --claims.")
    var claimFiles: [String] = []

    @Option(help: "A file of runs, a plan file with measured seconds, or a folder of them.")
    var runs: String?

    @Flag(help: "Print one JSON document.")
    var json = false

    @Flag(help: "Print the tables of docs/validation.md.")
    var markdown = false

    @Option(help: "Write the scatter of predicted against measured seconds to this file.")
    var svg: String?

    @Flag(help: "Refit the fitted constants on all other sources for each source, and print the errors there.")
    var leaveOneSourceOut = false

    @Flag(help: "Refit the fitted constants on all other devices for each device, and print the errors there.")
    var leaveOneDeviceOut = false

    @Flag(help: "Predict whole runs, from the first step to the bill, each by figures of other organisations.")
    var wholeRuns = false

    @Flag(help: "Predict published figures of models that answer, those of plans/published/serving/figures.yaml.")
    var serving = false

    @Flag(help: "Compute published claims about well-known models.")
    var claims = false

    @Flag(help: "Print the constants that predict the runs best, and how far off they are.")
    var refit = false

    func validate() throws {
        if leaveOneSourceOut, leaveOneDeviceOut {
            throw ValidationError("--leave-one-source-out and --leave-one-device-out exclude one another.")
        }
        if wholeRuns, leaveOneSourceOut || leaveOneDeviceOut || refit || svg != nil {
            throw ValidationError("--whole-runs stands alone, beside --runs, --json and --markdown.")
        }
        if serving, leaveOneSourceOut || leaveOneDeviceOut || refit || wholeRuns || svg != nil {
            throw ValidationError("--serving stands alone, beside --runs, --json and --markdown.")
        }
        if claims, leaveOneSourceOut || leaveOneDeviceOut || wholeRuns || serving || refit || svg != nil {
            throw ValidationError("--claims stands alone, beside --runs, --json and --markdown.")
        }
        if !claims, let file = claimFiles.first {
            throw ValidationError("\(file): files of claims come with --claims, tables of runs with --runs.")
        }
        if json, markdown { throw ValidationError("--json and --markdown exclude one another.") }
    }

    mutating func run() throws {
        if serving { return try printServing() }
        let drawings = [NamedPath("--svg", svg)].compactMap(\.self)
        try OutputFile.check(drawings)
        let library = Library.standard()
        guard let path = runs ?? library.existing("plans/published") else {
            throw Failure.input("plans/published is nowhere to be found; name runs with --runs")
        }
        var published: [PublishedRun] = []
        var sources = ReadFiles()
        let index = try MeasurementIndex.beside(path)
        let frameworks = try Frameworks.read(library: library, files: &sources)
        for file in try files(path) {
            published += try PublishedRun.read(
                path: file, measured: index[file], library: library, frameworks: frameworks, files: &sources)
        }
        try OutputFile.check(drawings, reading: [NamedPath("--runs", path)], sources)
        if claims { return try printClaims(runs: published, library: library) }
        if wholeRuns { return try printWholeRuns(published) }
        if refit { published = fitted(published) }
        let validation = Planner.validate(published)
        let report = ValidationReport(
            validation,
            heldOut: leaveOneSourceOut
                ? Planner.leaveOneSourceOut(published)
                : leaveOneDeviceOut ? Planner.leaveOneSourceOut(published, by: { Refit.family($0.device) }) : nil)
        if let svg { try OutputFile.write(ValidationSVG(validation).text(), to: svg) }
        if json {
            try print(report.json())
        } else {
            try print(markdown ? report.markdown() : report.text(width: Console.width))
            Console.note(report.timing)
        }
    }

    private func printServing() throws {
        let library = Library.standard()
        guard let path = runs ?? library.existing("plans/published/serving/figures.yaml") else {
            throw Failure.input("plans/published/serving/figures.yaml is nowhere to be found; name a table with --runs")
        }
        var files = ReadFiles()
        let figures = try ServingFigure.read(path: path, library: library, files: &files)
        let report = ServingComparisonReport(ServingComparison(figures))
        try print(json ? report.json() : markdown ? report.markdown() : report.text(width: Console.width))
    }

    private func printWholeRuns(_ published: [PublishedRun]) throws {
        guard published.contains(where: { $0.whole != nil }) else {
            throw Failure.input("no run states its `kind` and `gpuHours`, so there is no whole run to predict")
        }
        let report = WholeRunReport(WholeRuns(published))
        try print(json ? report.json() : markdown ? report.markdown() : report.text(width: Console.width))
    }

    private func printClaims(runs: [PublishedRun], library: Library) throws {
        var paths = claimFiles
        if paths.isEmpty {
            guard let folder = library.existing("plans/claims") else {
                throw Failure.input("plans/claims is nowhere to be found; name files of claims")
            }
            paths = [folder]
        }
        var sources = ReadFiles()
        let claims = try paths.flatMap(files).flatMap { path in
            try Claim.read(path: path, runs: runs, library: library, files: &sources)
        }
        let report = ClaimReport(ClaimCheck(claims))
        try print(json ? report.json() : markdown ? report.markdown() : report.text(width: Console.width))
    }

    /// The runs with the constants that predict them best; prints the constants.
    private func fitted(_ published: [PublishedRun]) -> [PublishedRun] {
        let refit = Refit(of: published)
        let usable = published.filter { $0.plan != nil && $0.seconds != nil }
        let constants = refit.fit(usable)
        for (parameter, value) in zip(refit.parameters, constants) { Console.note("\(parameter) \(value)") }
        return refit.applied(constants, to: published)
    }

    /// The files that `path` names, in alphabetical order.
    private func files(_ path: String) throws -> [String] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw Failure.input("\(path): no such file or folder")
        }
        guard isFolder.boolValue else { return [path] }
        let files = try runFiles(in: path)
        guard !files.isEmpty else { throw Failure.input("\(path): no .yaml files in this folder") }
        return files
    }
}

/// The files of runs in a folder, in alphabetical order.
func runFiles(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder)
        .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted().map { "\(folder)/\($0)" }
}

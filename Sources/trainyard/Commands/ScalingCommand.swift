internal import ArgumentParser
internal import Numbers
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Reports
internal import ScalingLaws

/// `trainyard scaling`: how large a model, how many tokens and what loss, by published laws or by a law of one's own.
struct ScalingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scaling",
        abstract: "Ask scaling laws how large a model, how many tokens, and what loss; fit one to runs.",
        discussion: """
            --fit finds the constants of L(N, D) = E + A/N^α + B/D^β from finished runs: a table with the columns \
            parameters, tokens and loss, or the folders of runs. --predict asks for the loss of other runs, so that a size \
            is known before it is trained.

              trainyard scaling --fit runs.csv --predict 1Bx20B
              trainyard scaling --fit runs/small runs/medium runs/large --json
            """)

    @OptionGroup(title: "Fit") var fitting: FitOptions

    @Flag(help: "Print one JSON document.")
    var json = false

    @Option(help: ArgumentHelp("Write the figures as a table.", valueName: "laws.csv"))
    var csv: String?

    @Option(help: ArgumentHelp("Draw the laws.", valueName: "laws.svg"))
    var svg: String?

    @OptionGroup var width: WidthOption

    mutating func run() throws {
        let outputs = [NamedPath("--csv", csv), NamedPath("--svg", svg)].compactMap(\.self)
        try OutputFile.check(outputs)
        let asked = try fitting.asked()
        let runs = try FinishedRuns(fitting.fit, unit: fitting.lossUnit)
        try OutputFile.check(outputs, reading: [], runs.files)
        let fit: LawFit
        do throws(FitRefusal) {
            fit = try LawFit(runs.points, settings: fitting.settings)
        } catch {
            throw Failure.input("\(fitting.fit.joined(separator: ", ")): \(error)")
        }
        let report = FitReport(fit, held: runs.held, asked: asked)
        if let csv { try OutputFile.write(report.csv(), to: csv) }
        try print(json ? report.json() : report.text(width: width.columns))
    }
}

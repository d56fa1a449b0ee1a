internal import ArgumentParser
internal import Experiments
internal import Foundation
internal import Options
internal import Output
internal import Reports

/// `trainyard evaluate`: how the checkpoints of a run answer questions, asked by `trainyard-train`.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Ask the checkpoints of a run questions whose answers are known.",
        discussion: """
            For every checkpoint and group of questions it prints how many answers are right in every token (at temperature 0), \
            and the probability that the model gives a right token, in the mean over the tokens of the answers:

              trainyard evaluate runs/arithmetic/run --questions runs/arithmetic/questions.jsonl --svg curves.svg
            """)

    @OptionGroup var options: EvaluateOptions

    @Option(help: ArgumentHelp("Draw both measures over the steps.", valueName: "curves.svg"))
    var svg: String?

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() throws {
        try Self.evaluate(options, svg: svg, title: (options.checkpoint as NSString).lastPathComponent, json: json)
    }

    /// Asks, prints and draws.
    /// - Parameter file: a file for the figures as JSON.
    static func evaluate(
        _ options: EvaluateOptions, svg: String?, title: String, json: Bool, file: String? = nil
    ) throws {
        try OutputFile.check([NamedPath("--svg", svg)].compactMap(\.self))
        let program = try Launcher.trainProgram()
        let ended = try Launcher.run([program, "evaluate"] + options.arguments, capture: true)
        guard ended.code == 0 else { throw ExitCode(ended.code) }
        guard let report = try? JSONDecoder().decode(AnswerReport.self, from: ended.output) else {
            throw Launcher.Failure(description: "\(program) is of another release: make build")
        }
        let curves = AnswerCurves(report.checkpoints)
        if let svg { try OutputFile.write(curves.drawing(title: title), to: svg) }
        if let file { try OutputFile.write(String(decoding: ended.output, as: UTF8.self), to: file) }
        guard !json else { return try print(String(decoding: ended.output, as: UTF8.self), terminator: "") }
        try print(curves.lines().joined(separator: "\n"))
        try print(
            "\n  exact: answers that are right in every token; a token: probability of a right token, mean over the answers' tokens"
        )
    }
}

internal import ArgumentParser
internal import Experiments
internal import Foundation
internal import Options
internal import Output
internal import Training

/// `trainyard-train evaluate`: asks checkpoints questions whose answers are known, in one process and without MPI, and prints JSON.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Ask checkpoints questions with known answers (used by `trainyard evaluate`).")

    @OptionGroup var options: EvaluateOptions

    func run() throws {
        do {
            let questions = try QuestionFile.read(options.questions)
            let scores = try CheckpointEvaluation.scores(
                of: questions, at: options.checkpoint, tokenizer: options.tokenizer
            ) { path, number, count in
                guard isatty(STDERR_FILENO) == 1 else { return }
                let name = (path as NSString).lastPathComponent
                StandardStreams.error("asking \(name), \(number) of \(count)\(number == count ? "\n" : "\u{1B}[K\r")")
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try StandardStreams.output(encoder.encode(AnswerReport(scores)) + Data("\n".utf8))
        } catch let error as OutputError {
            throw error
        } catch {
            StandardStreams.error("trainyard-train: \(error)\n")
            throw ExitCode(RunCommand.exitCode(error))
        }
    }
}

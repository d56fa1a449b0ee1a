internal import ArgumentParser
internal import Foundation
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Tensors
internal import Version

/// `trainyard-train`: one rank of a real run, launched by `mpirun -n P trainyard-train FILE`. Other subcommands use the
/// runtime's kernels for text generation and calibration.
@main
struct TrainCommandLine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trainyard-train",
        abstract: "One rank of a real training run, started by mpirun (or by `trainyard train`, which calls mpirun).",
        discussion: """
            The number of processes is the product of the plan's degrees:

              mpirun -n 2 trainyard-train plans/tiny-gpt.yaml
              mpirun -n 4 trainyard-train plans/tiny-gpt-4.yaml --log metrics.jsonl \\
                  --trace trace.json
              trainyard-train generate runs/tiny-gpt/checkpoints/step-000480 \\
                  --prompt "ROMEO."
            """,
        version: ProgramVersion.text,
        subcommands: [
            RunCommand.self, GenerateCommand.self, EvaluateCommand.self, CheckpointCommand.self,
            ExportWeightsCommand.self, ProbeCommand.self, ElasticLayoutCommand.self, GenerationProcessesCommand.self,
            WithLauncherCommand.self,
        ],
        defaultSubcommand: RunCommand.self)

    static func main() {
        StandardStreams.prepare()
        MatrixProduct.useOneThread()
        do {
            var command = try parseAsRoot(RunOptions.separated(CommandLine.arguments))
            try command.run()
        } catch {
            if let error = error as? OutputError { end(error) }
            let code = exitCode(for: error)
            let text = fullMessage(for: error)
            if !text.isEmpty {
                if code.isSuccess {
                    do { try StandardStreams.output(text + "\n") } catch { end(error) }
                } else {
                    let line = "error: " + Wording.usage(message(for: error), help: text)
                    StandardStreams.error(line + "\n")
                }
            }
            // ArgumentParser ends bad usage with 64; both programs end it with 2.
            Foundation.exit(code.rawValue == 64 ? 2 : code.rawValue)
        }
    }

    /// Ends the process with the error of an output that cannot be written.
    private static func end(_ error: OutputError) -> Never {
        StandardStreams.endIfReaderHasGone(error)
        StandardStreams.error("trainyard-train: \(error)\n")
        Foundation.exit(error.exitCode)
    }
}

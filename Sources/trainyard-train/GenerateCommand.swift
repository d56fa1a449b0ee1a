internal import ArgumentParser
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Training

/// `trainyard-train generate`: samples text from a checkpoint.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a text with trained weights (one process).")

    @OptionGroup var options: GenerateOptions

    func run() throws {
        do {
            let (prompt, count) = (options.prompt, options.tokens.value)
            let generator = try TextGenerator(
                checkpoint: Checkpoint.newest(at: options.checkpoint), longest: prompt.utf8.count + count + 1)
            try StandardStreams.output(prompt)
            try generator.generate(
                prompt: Array(prompt.utf8), count: count, temperature: options.temperature, seed: options.seed
            ) {
                try StandardStreams.output([$0])
            }
            try StandardStreams.output("\n")
        } catch let error as OutputError {
            throw error
        } catch {
            StandardStreams.error("trainyard-train: \(error)\n")
            throw ExitCode(2)
        }
    }
}

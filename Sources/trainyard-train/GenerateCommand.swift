internal import ArgumentParser
internal import Output
internal import Plans
internal import Reading
internal import Training

/// Samples text from a checkpoint.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a text with trained weights (one process).")

    @Argument(help: "A checkpoint: a .safetensors file, or a directory of them (the newest is taken).")
    var checkpoint: String

    @Option(help: "Text to go on from.")
    var prompt = "\n"

    @Option(help: "Bytes to write.")
    var tokens: Count = 300

    @Option(help: "0 takes the likeliest byte; 1 draws as the model says.")
    var temperature = 0.8

    @Option(help: "Seed of the draw.")
    var seed: UInt64 = 1

    func validate() throws {
        guard Bounds.steps.contains(tokens.value) else {
            throw ValidationError("--tokens: \(tokens) is not a positive number")
        }
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature: \(temperature) is not a number from 0 up")
        }
    }

    func run() throws {
        do {
            let generator = try TextGenerator(
                checkpoint: Checkpoint.newest(at: checkpoint), longest: prompt.utf8.count + tokens.value + 1)
            try StandardStreams.output(prompt)
            try generator.generate(
                prompt: Array(prompt.utf8), count: tokens.value, temperature: temperature, seed: seed
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

internal import ArgumentParser
internal import Foundation
internal import Plans
internal import Reading

/// Text from a trained checkpoint, by the runtime's own kernels.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue a text with a trained checkpoint.",
        discussion: "  trainyard generate runs/tiny-gpt --prompt \"To be, or not to be\"")

    @Argument(help: "A .safetensors checkpoint, or a directory of them (the newest is taken).")
    var checkpoint: String

    @Option(help: "Text to go on from.")
    var prompt = "\n"

    @Option(help: "Tokens to write.")
    var tokens: Count = 300

    @Option(help: "0 takes the likeliest token; 1 draws as the model says.")
    var temperature = 0.8

    @Option(help: "Seed of the draw.")
    var seed: UInt64 = 1

    func validate() throws {
        try check("--tokens", tokens, in: Bounds.steps)
    }

    func run() throws {
        let ended = try Launcher.run([
            Launcher.trainProgram(), "generate", checkpoint, "--prompt=" + prompt, "--tokens", "\(tokens)",
            "--temperature", "\(temperature)", "--seed", "\(seed)",
        ])
        if ended.code != 0 { throw ExitCode(ended.code) }
    }
}

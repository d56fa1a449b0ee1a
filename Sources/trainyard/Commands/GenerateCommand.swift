internal import ArgumentParser
internal import Options

/// `trainyard generate`: text from a trained checkpoint, made by `trainyard-train`.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue a text with a trained checkpoint.",
        discussion: "  trainyard generate runs/tiny-gpt --prompt \"To be, or not to be\"")

    @OptionGroup var options: GenerateOptions

    func run() throws {
        let ended = try Launcher.run([Launcher.trainProgram(), "generate"] + options.arguments)
        if ended.code != 0 { throw ExitCode(ended.code) }
    }
}

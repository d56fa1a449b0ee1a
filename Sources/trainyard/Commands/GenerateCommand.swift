internal import ArgumentParser
internal import Options

/// Text from a trained checkpoint, by the runtime's own kernels.
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

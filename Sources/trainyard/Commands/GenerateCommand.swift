internal import ArgumentParser
internal import Foundation
internal import Options

/// `trainyard generate`: text from a trained checkpoint, made by `trainyard-train`.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue texts with trained weights.",
        discussion: """
            The weights are those of a run, of a checkpoint, of a file, or of a Hugging Face folder (GPT-2, Llama, Mistral, Qwen, \
            Mixtral). Several prompts are continued at once.

              trainyard generate runs/tiny-gpt --prompt "To be, or not to be"
              trainyard generate models/llama --prompts questions.txt --json
              trainyard generate runs/big --layout run --prompt "Once"
            """)

    @OptionGroup var options: GenerateOptions

    func run() throws {
        let program = try Launcher.trainProgram()
        var command = [program, "generate"] + options.arguments
        if options.layout == .run {
            let asked = try Launcher.run([program, "generation-processes", options.checkpoint], capture: true)
            let words = String(decoding: asked.output, as: UTF8.self).filter { !$0.isWhitespace }
            guard asked.code == 0, let processes = Int(words) else { throw ExitCode(asked.code == 0 ? 1 : asked.code) }
            command = try Launcher.mpirun(
                processes: processes, hostfile: nil, program: program, arguments: ["generate"] + options.arguments)
        }
        let ended = try Launcher.run(command, launcherWords: options.layout == .run)
        if ended.code != 0 { throw ExitCode(ended.code) }
    }
}

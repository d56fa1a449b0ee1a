internal import ArgumentParser
internal import Options

/// `trainyard checkpoint`: the saved states of real runs, read by `trainyard-train`.
struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "List, verify and convert the saved states of a run.",
        discussion: """
            A run whose plan has train.checkpoint saves weights, optimizer, position in the text and plan, every rank its own \
            share, as safetensors. A checkpoint of any layout can be resumed in any other: the conversion is for other \
            programs.

              trainyard checkpoint list runs/tiny-gpt
              trainyard checkpoint verify runs/tiny-gpt/checkpoints/step-000480
              trainyard checkpoint convert runs/tiny-gpt --to weights.safetensors
            """,
        subcommands: [List.self, Verify.self, Convert.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The checkpoints of a run or a folder, the oldest first.",
            discussion: "Sizes and headers are checked, tensors are not read. Exit code 1: one is not good.")
        @OptionGroup var options: CheckpointOptions

        func run() throws { try CheckpointCommand.pass(["list"] + options.arguments) }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read every tensor and compare it with its checksum.",
            discussion: "Exit code 0: all are good. 1: one is damaged; the line names file and tensor.")
        @OptionGroup var options: CheckpointOptions

        func run() throws { try CheckpointCommand.pass(["verify"] + options.arguments) }
    }

    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write whole tensors as one safetensors file.",
            discussion: """
                Names are Hugging Face's (transformers, vLLM). train.init and generate read the file.

                  trainyard checkpoint convert runs/tiny-gpt --to weights.safetensors
                  trainyard checkpoint convert runs/tiny-gpt --to state.safetensors --state
                """)
        @OptionGroup var options: CheckpointConversionOptions

        func run() throws { try CheckpointCommand.pass(["convert"] + options.arguments) }
    }

    private static func pass(_ arguments: [String]) throws {
        let ended = try Launcher.run([Launcher.trainProgram(), "checkpoint"] + arguments)
        if ended.code != 0 { throw ExitCode(ended.code) }
    }
}

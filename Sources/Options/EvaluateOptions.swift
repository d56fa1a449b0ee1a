package import ArgumentParser

/// The checkpoints that are asked, and what: the options of `trainyard evaluate`, which passes them on, and of
/// `trainyard-train evaluate`.
package struct EvaluateOptions: ParsableArguments {
    @Argument(help: "A run's folder (all its checkpoints), a checkpoint, or weights of Hugging Face's.")
    package var checkpoint: String

    @Option(
        help: ArgumentHelp(
            "Questions, one JSON map a line: {\"prompt\": \"12+34=\", \"answer\": \"46\", \"group\": \"seen\"}.",
            valueName: "questions.jsonl"))
    package var questions: String

    @Option(help: "A tokenizer.json, a folder with one, or bytes (default: the one that goes with the weights).")
    package var tokenizer: String?

    package init() {}

    package func validate() throws {
        if tokenizer == "" { throw ValidationError("--tokenizer: names no tokenizer") }
    }

    package var arguments: [String] {
        [checkpoint, "--questions=" + questions] + (tokenizer.map { ["--tokenizer=" + $0] } ?? [])
    }
}

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

    package init() {}

    package var arguments: [String] { [checkpoint, "--questions", questions] }
}

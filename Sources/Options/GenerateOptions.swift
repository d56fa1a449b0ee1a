package import ArgumentParser
internal import Plans
package import Reading

/// The checkpoint and how text is sampled from it: the options of `trainyard generate`, which passes them on, and of
/// `trainyard-train generate`.
package struct GenerateOptions: ParsableArguments {
    @Argument(help: "A checkpoint, a .safetensors file of weights, or a run's folder (its newest is taken).")
    package var checkpoint: String

    @Option(help: "Text to go on from.")
    package var prompt = "\n"

    @Option(help: "Tokens to write.")
    package var tokens: Count = 300

    @Option(help: "0 takes the likeliest token; 1 draws as the model says.")
    package var temperature = 0.8

    @Option(help: "Seed of the draw.")
    package var seed: UInt64 = 1

    package init() {}

    package func validate() throws {
        try check("--tokens", tokens, in: Bounds.steps)
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature: \(temperature) is not a number from 0 up")
        }
    }

    /// The arguments that make another program sample with these options.
    package var arguments: [String] {
        [
            checkpoint, "--prompt=" + prompt, "--tokens", "\(tokens)", "--temperature", "\(temperature)", "--seed",
            "\(seed)",
        ]
    }
}

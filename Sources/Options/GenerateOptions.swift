package import ArgumentParser
internal import Plans
package import Reading

/// The checkpoint and how text is sampled from it: the options of `trainyard generate`, which passes them on, and of
/// `trainyard-train generate`.
package struct GenerateOptions: ParsableArguments {
    /// The processes that share the work.
    package enum Processes: String, CaseIterable, ExpressibleByArgument, Sendable { case one, run }

    @Argument(
        help:
            "A checkpoint, a run's folder (its newest is taken), a .safetensors file of weights, or a Hugging Face folder."
    )
    package var checkpoint: String

    @Option(help: "Text to go on from; may be repeated.")
    package var prompt: [String] = []

    @Option(help: ArgumentHelp("A file of prompts, one a line; empty lines are left out.", valueName: "FILE"))
    package var prompts: String?

    @Option(help: "Most tokens to write behind each prompt.")
    package var tokens: Count = 300

    @Option(help: "0 takes the likeliest token; 1 draws as the model says.")
    package var temperature = 0.8

    @Option(help: "Draw among this many likeliest tokens.")
    package var topK: Count?

    @Option(help: "Draw among the fewest likeliest tokens that have this share together.")
    package var topP: Double?

    @Option(help: "Seed of the draw.")
    package var seed: UInt64 = 1

    @Option(help: "Text that ends an answer; may be repeated.")
    package var stop: [String] = []

    @Flag(inversion: .prefixedNo, help: "Print text as it is made.")
    package var stream = true

    @Flag(help: "Read the whole text again for every token.")
    package var noCache = false

    @Option(help: "A tokenizer.json, a folder with one, or bytes (default: the one that goes with the weights).")
    package var tokenizer: String?

    @Option(help: "one process, or under mpirun the ranks of the layout in which the run was.")
    package var layout = Processes.one

    @Flag(help: "Print one JSON document.")
    package var json = false

    package init() {}

    package func validate() throws {
        try check("--tokens", tokens, in: Bounds.steps)
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature: \(temperature) is not a number from 0 up")
        }
        if let topK { try check("--top-k", topK, in: 1...1_000_000_000) }
        if let topP, !(topP > 0 && topP <= 1) {
            throw ValidationError("--top-p: \(topP) is not above 0 and at most 1")
        }
        if tokenizer == "" { throw ValidationError("--tokenizer: names no tokenizer") }
        if stop.contains("") { throw ValidationError("--stop: an empty text would end every answer before it begins") }
        if !prompt.isEmpty, prompts != nil {
            throw ValidationError("--prompt and --prompts: give the prompts in one of them")
        }
    }

    /// The arguments that make another program sample with these options.
    package var arguments: [String] {
        var all = [checkpoint]
        // Behind an equals sign an empty text counts as missing, and elsewhere one with a dash as an option.
        for text in prompt { all += text.isEmpty ? ["--prompt", ""] : ["--prompt=" + text] }
        if let prompts { all.append("--prompts=" + prompts) }
        all += ["--tokens", "\(tokens)", "--temperature", "\(temperature)"]
        if let topK { all += ["--top-k", "\(topK)"] }
        if let topP { all += ["--top-p", "\(topP)"] }
        all += ["--seed", "\(seed)"] + stop.map { "--stop=" + $0 }
        if !stream { all.append("--no-stream") }
        if noCache { all.append("--no-cache") }
        if let tokenizer { all.append("--tokenizer=" + tokenizer) }
        if layout != .one { all += ["--layout", layout.rawValue] }
        return all + (json ? ["--json"] : [])
    }
}

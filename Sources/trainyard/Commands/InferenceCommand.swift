internal import ArgumentParser
internal import Inference
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Reports

/// `trainyard inference FILE`: prices a model that answers.
struct InferenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inference",
        abstract: "Price a model that answers: memory, time to the first token, tokens a second, money.",
        discussion: """
            A file says which model answers what, on which devices, and in which formats weights and cache are stored \
            (docs/inference.md). Options take the place of its keys, and of the file. The degrees are chosen where they \
            are left open, and so are the devices: the fewest that hold it.

              trainyard inference plans/inference/deepseek-v3-h200.yaml
              trainyard inference --model llama3-70b --gpu H100
              trainyard inference --model llama3-8b --gpu rtx-4090 --weights int4 \\
                  --prompt 2048 --output 512 --explain
              trainyard inference --params 2.8B --gpu phone-4g --weights q4_0

            Exit code 3 means that it does not fit, and says what would.
            """)

    @Argument(help: "The file of the question. (default: the options ask it)")
    var file: String?

    @Option(help: "A shape in plans/models/ or a Hugging Face config.json.")
    var model: String?

    @Option(help: "Parameters, such as 8B, for which a dense shape is chosen.")
    var params: String?

    @Option(help: "A device such as H100 (`trainyard gpus` lists them), a cluster in cluster/, or a cluster file.")
    var gpu: String?

    @Option(help: "Number of devices.")
    var devices: String?

    @Option(help: "Format of weights: fp32, fp16, bf16, fp8, int8, int4, nf4, mxfp4, nvfp4, q8_0, q6_K, q4_0 …")
    var weights: String?

    @Option(
        help: """
            Format of embedding and head. (default: 16 bits, or that of the weights if wider; beside q8_0, q6_K and q4_0 \
            what llama.cpp stores)
            """)
    var ends: String?

    @Option(help: "Format of keys and values.")
    var cache: String?

    @Option(help: "Sequences at the same time, or max: as many as fit.")
    var batch: String?

    @Option(help: "Tokens of a prompt.")
    var prompt: String?

    @Option(help: "Tokens of an answer.")
    var output: String?

    @Option(help: "Devices that cut every matrix between them.")
    var tensor: String?

    @Option(help: "Stages of a pipeline.")
    var pipeline: String?

    @Option(help: "Devices among which routed experts are distributed.")
    var expert: String?

    @Flag(help: "Print one JSON document.")
    var json = false

    @Flag(help: "Show the arithmetic: formula, inputs and source of every figure.")
    var explain = false

    @OptionGroup var width: WidthOption

    @OptionGroup var price: PriceOption

    func validate() throws {
        if file == nil, model == nil, params == nil {
            throw ValidationError("Give a file, or --model and --gpu.")
        }
        if model != nil, params != nil { throw ValidationError("Give --model or --params, one of the two.") }
    }

    mutating func run() throws {
        var files = ReadFiles()
        var asked = try ServingFile.read(path: file, overrides: overrides, files: &files)
        try price.apply(to: &asked.question.cluster)
        asked.notes.forEach(Console.note)
        if let remark = asked.question.cluster.remarkWithoutRuns { Console.note(remark.text) }
        let estimate: ServingEstimate
        do throws(ServingError) {
            estimate = try asked.question.estimate()
        } catch {
            throw error.failure
        }
        let columns = width.columns ?? 100
        guard !json else {
            return try print(
                ServingReport(estimate, name: asked.name, notes: asked.notes, explains: explain).json())
        }
        try print(
            ServingText(estimate, name: asked.name, width: columns, isColoured: Console.isColoured).text())
        if explain { try print("\n" + ExplanationText(estimate.explanation, width: columns).text()) }
    }

    private var overrides: [ServingFile.Override] {
        let stated: [(String, String?)] = [
            ("cluster", gpu), ("devices", devices), ("weights", weights), ("ends", ends), ("cache", cache),
            ("batch", batch), ("prompt", prompt), ("output", output), ("tensor", tensor), ("pipeline", pipeline),
            ("expert", expert),
        ]
        let keys = stated.compactMap { key, value in value.map { ServingFile.Override(key, $0) } }
        return [model.map { ServingFile.Override(model: $0) }, params.map { ServingFile.Override(parameters: $0) }]
            .compactMap(\.self) + keys
    }
}

extension ServingError {
    /// The error to end a command with, after its line on standard error.
    var failure: ExitCode {
        switch self {
        case .doesNotFit, .noLayout: Failure.misfit(description)
        case .unsupported, .contradiction: Failure.input(description)
        }
    }
}

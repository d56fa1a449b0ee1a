internal import ArgumentParser
internal import Campaigns
internal import Inference
internal import Models
internal import Numbers
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Reports

/// `trainyard fits MODEL`: the fewest devices of each kind that train a model or answer with it.
struct FitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fits",
        abstract: "Print the fewest devices of each kind on which a model fits.",
        discussion: """
            For training all weights, for adapters beside weights in 16 bits (LoRA) and in 4 (QLoRA), and for \
            answering with weights in 16, 8 and 4 bits: the fewest devices whose memory holds it. With --tokens and \
            --deadline also the fewest that end in time.

              trainyard fits llama3-70b
              trainyard fits 2.8B --gpu phone-4g,H100
              trainyard fits deepseek-v3 --gpu H200 --batch 128 --prompt 4096
              trainyard fits llama3-8b --gpu H100,MI300X --tokens 1T --deadline 30d
            """)

    @Argument(
        help:
            "A shape in plans/models/ or a file of one, a Hugging Face config.json, or a number of parameters such as 70B."
    )
    var model: String

    @Option(help: "Devices, separated by commas. (default: all of cluster/)")
    var gpu: String?

    @Option(help: "Tokens of the training run, such as 1T.")
    var tokens: Amount?

    @Option(help: "Time that the training run may take, such as 30d.")
    var deadline: String?

    @Option(help: "Sequences that answer at the same time.")
    var batch: Count?

    @Option(help: "Tokens of a prompt.")
    var prompt: Count?

    @Option(help: "Tokens of an answer.")
    var output: Count?

    @Flag(help: "Print one JSON document.")
    var json = false

    @OptionGroup var width: WidthOption

    func validate() throws {
        if (tokens == nil) != (deadline == nil) {
            throw ValidationError("--tokens and --deadline belong together: give both, or none.")
        }
        if let tokens, !Bounds.tokens.contains(tokens.value) {
            throw ValidationError("--tokens takes 1 to 1e18 tokens, not \(Figures.plain(tokens.value)).")
        }
        try check("--batch", batch, in: 1...16_777_216)
        try check("--prompt", prompt, in: Bounds.sequence)
        try check("--output", output, in: Bounds.sequence)
    }

    mutating func run() throws {
        let library = Library.standard()
        var problems: [PlanProblem] = []
        let shape = try collect(&problems) { () throws(PlanProblems) in try readModel(library) }
        var clusters: [Cluster] = []
        let names = gpu.map { $0.split(separator: ",").map(String.init) } ?? library.clusterNames
        for name in names {
            do throws(PlanProblems) {
                let cluster = try Cluster.read(name.trimmed, library: library)
                if cluster.groups == nil { clusters.append(cluster) }
            } catch  where gpu == nil {
                // One broken file of the user's hides no other device.
                Console.note("\(name) is left out: \(error.problems.first?.description ?? "\(error)")")
            } catch {
                problems += error.problems.map { problem in
                    var problem = problem
                    if problem.file == nil { problem.field = "--gpu" }
                    return problem
                }
            }
        }
        guard problems.isEmpty, let shape else { throw PlanProblems(problems) }
        guard !clusters.isEmpty else { throw Failure.input("--gpu: names no device") }
        var question = SmallestClusters.Question(
            model: shape, prompt: prompt?.value ?? ServingFile.usualPrompt,
            output: output?.value ?? ServingFile.usualOutput)
        question.batch = batch?.value ?? 1
        (question.tokens, question.days) = (tokens?.value, try days())
        do throws(ServingError) { _ = try ServedModel(shape) } catch { throw error.failure }
        let found = SmallestClusters(
            question, clusters: clusters, frameworks: try Frameworks.read(library: library))
        let report = SmallestClustersReport(found, name: shape.name ?? model)
        try print(json ? report.json() : report.text(width: width.columns))
    }

    private func collect<Value>(
        _ problems: inout [PlanProblem], _ body: () throws(PlanProblems) -> Value
    ) throws -> Value? {
        do throws(PlanProblems) { return try body() } catch {
            problems += error.problems
            return nil
        }
    }

    /// The days of the deadline.
    private func days() throws -> Double? {
        guard let days = try DeadlineOption.days(deadline) else { return nil }
        guard (1e-3...1e5).contains(days) else {
            throw Failure.input("--deadline: '\(deadline ?? "")' is less than two minutes or more than 270 years")
        }
        return days
    }

    private func readModel(_ library: Library) throws(PlanProblems) -> Model {
        var files = ReadFiles()
        if HuggingFaceModel.isConfiguration(model, library: library) {
            return try HuggingFaceModel.read(model, library: library, files: &files).model
        }
        if library.modelFile(model) == nil, let parameters = try? Quantity.parse(model, as: .count),
            Model.shapeableParameters.contains(parameters)
        {
            return Model.shaped(parameters: parameters)
        }
        return try Model.read(model, library: library, files: &files)
    }
}

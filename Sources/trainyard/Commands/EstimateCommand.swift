internal import ArgumentParser
internal import Costs
internal import Models
internal import Options
internal import Output
internal import Plans
internal import Reading

/// `trainyard estimate`: prices a run from a few numbers, without a plan file.
struct EstimateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "estimate",
        abstract: "Price a run from a few numbers, without a file.",
        discussion: """
            From --params a dense shape of that size is chosen and printed; --model takes a named one from \
            plans/models/, or a Hugging Face model: a config.json, a model's directory, or its name in the local cache \
            of the Hub. The batch is what published runs of that size use unless --batch says otherwise. The \
            fastest split that fits is searched for.

              trainyard estimate --params 100B --tokens 3T --gpu a100-80g-sxm --gpus 1024
              trainyard estimate --model llama3-70b --tokens 15T --gpu h100-80g-sxm \\
                  --gpus 2048 --batch 2048
              trainyard estimate --model Qwen3-32B/config.json --tokens 1T \\
                  --gpu h100-80g-sxm --gpus 256 --sequence 8192
              trainyard estimate --params 7B --tokens 1T --gpu b200-sxm --gpus 64 \\
                  --explain
            """)

    @Option(help: "Parameters, such as 100B or 7e9.")
    var params: Amount?

    @Option(help: "A shape in plans/models/ or a Hugging Face config.json, instead of --params.")
    var model: String?

    @Option(help: "Tokens of the whole run, such as 3T.")
    var tokens: Amount

    @Option(help: "A device such as H100 (`trainyard gpus` lists them), a cluster in cluster/, or a cluster file.")
    var gpu: String

    @Option(help: "Number of devices.")
    var gpus: Count

    @Option(help: "Sequences a step.")
    var batch: Count?

    @Option(help: "Tokens a sequence.")
    var sequence: Count?

    @Option(help: "fp32, fp16, bf16, fp8, mxfp8 or nvfp4; what the device trains in if left out.")
    var precision: Precision?

    @OptionGroup var chooser: LayoutSearchOptions

    @OptionGroup(title: "Risk") var risk: RiskOptions

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if (params == nil) == (model == nil) {
            throw ValidationError("Give --params or --model, one of the two.")
        }
    }

    mutating func run() throws {
        try OutputFile.check(output.files)
        var sources = ReadFiles()
        var plan: Plan
        do throws(PlanProblems) {
            plan = try Plan.question(
                parameters: params?.value, modelName: model, tokens: tokens.value, gpu: gpu, gpus: gpus.value,
                batch: batch?.value, sequence: sequence?.value, precision: precision, files: &sources)
        } catch {
            throw PlanProblems(error.problems.map(asOption))
        }
        if let wanted = plan.wantedBatch {
            plan.remarks.append(Remark(.batchAssumed, BatchChoice.remark(plan.batch, wanted: wanted)))
        }
        try OutputFile.check(output.files, reading: [], sources)
        Console.notes(plan.firmRemarks)
        try output.price.apply(to: &plan)
        try Answer(plan: plan, searching: true, settings: chooser.settings()).print(output, risk: risk)
    }

    /// The problem with the name of the option it comes from.
    private func asOption(_ problem: PlanProblem) -> PlanProblem {
        var named = problem
        let options = ["model.name": "model", "cluster": "gpu"]
        if problem.file == nil { named.field = "--" + (options[problem.field] ?? problem.field) }
        return named
    }
}

/// A number such as `100B`, `3T` or `7e9` on the command line.
struct Amount: ExpressibleByArgument {
    var value: Double

    init?(argument: String) {
        guard let value = try? Quantity.parse(argument, as: .count) else { return nil }
        self.value = value
    }
}

extension Precision: ExpressibleByArgument {}

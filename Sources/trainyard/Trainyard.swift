internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading
internal import Version

/// `trainyard`: plans, prices, simulates and starts distributed training runs.
struct Trainyard: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trainyard",
        abstract: "Plan, price, simulate and run the training of language models over many devices.",
        discussion: """
            How long does a 100-billion-parameter model on 3 trillion tokens take on 1,024 A100?
              trainyard estimate --params 100B --tokens 3T --gpu a100-80g-sxm --gpus 1024
              trainyard gpus

            The same from a file, with the split found by searching, and every layout that fits, ranked:
              trainyard plan plans/100b-3t-1024.yaml
              trainyard search plans/100b-3t-1024.yaml --top 10

            Why the other ways to split it lose, and what more or fewer devices bring:
              trainyard compare plans/100b-3t-1024.yaml
              trainyard sweep plans/100b-3t-1024.yaml --devices 256..4096

            Who does what when:
              trainyard schedule 1f1b --ranks 4 --microbatches 8
              trainyard simulate --schedule interleaved-1f1b --ranks 4 --virtual-stages 2

            Results go to standard output (--json prints one document), remarks to standard error. Exit codes: 0 done, \
            1 failed while running, 2 bad usage or input, 3 the plan does not fit, 75 a run that a signal stopped and that \
            --resume goes on with.
            """,
        version: ProgramVersion.text,
        subcommands: [
            PlanCommand.self,
            EstimateCommand.self,
            SearchCommand.self,
            CompareCommand.self,
            SweepCommand.self,
            CampaignCommand.self,
            LadderCommand.self,
            InferenceCommand.self,
            FitsCommand.self,
            ScalingCommand.self,
            ImportCommand.self,
            ExportCommand.self,
            ModelsCommand.self,
            ScheduleCommand.self,
            SimulateCommand.self,
            AttributeCommand.self,
            TrainCommand.self,
            GenerateCommand.self,
            EvaluateCommand.self,
            ArithmeticCommand.self,
            CheckpointCommand.self,
            ExportWeightsCommand.self,
            CalibrateCommand.self,
            ValidateCommand.self,
            TokenizeCommand.self,
            GpusCommand.self,
            FrameworksCommand.self,
        ])

    /// The error about a first argument that is no command; nil when it is one.
    private static func unknownCommand(_ word: String) -> String? {
        let known = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard !word.hasPrefix("-"), !known.contains(word) else { return nil }
        let near = Wording.didYouMean(word, among: known)
        return "there is no command '\(word)'; "
            + (near.isEmpty ? "there are \(known.joined(separator: ", "))" : near)
    }

    /// Parses the arguments and runs the command.
    /// - Returns: the exit code of the process.
    static func start() -> Int32 {
        Console.keepExamplesWhole()
        if let word = CommandLine.arguments.dropFirst().first, let problem = unknownCommand(word) {
            Console.error(problem)
            return Failure.badInput
        }
        do {
            var command = try parseAsRoot(RunOptions.separated(CommandLine.arguments))
            try command.run()
            return 0
        } catch {
            return Failure.report(error)
        }
    }
}

internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Output
internal import Plans
internal import Reading
internal import Schedules
internal import Training

/// The default subcommand: train.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Train the plan; every process of the job runs this with the same arguments.")

    @Argument(help: "The plan file.")
    var plan: String

    @OptionGroup var options: RunOptions

    func run() throws {
        JobFiles.begin()
        let code = runRank(program: "trainyard-train", exitCode: Self.exitCode) { world in
            try TrainingRun(planPath: plan, options: options, world: world.communicator).run()
        }
        if code != 0 { throw ExitCode(code) }
    }

    /// 2 for what the user can mend in a file or on the command line, 3 for a layout that does not divide or fit, 1 for
    /// what went wrong while running.
    static func exitCode(_ error: any Error) -> Int32 {
        switch error {
        case let error as TrainingError:
            switch error {
            case .diverged, .write, .textChanged: return 1
            case .layout(let problem): return problem.kind == .misfit ? 3 : 2
            default: return 2
            }
        case let problems as PlanProblems: return problems.isMisfitOnly ? 3 : 2
        case let error as OutputError: return error.exitCode
        case is ScheduleProblem, is ValidationError: return 2
        default: return 1
        }
    }
}

/// What may be changed of a plan's `train` section from the command line, and where the run's records go.
struct RunOptions: ParsableArguments {
    @Option(help: "Text to train on, instead of the plan's train.data.")
    var data: String?

    @Option(help: "Steps to train, instead of the plan's train.steps.")
    var steps: Count?

    @Option(
        help: ArgumentHelp(
            "The run's own folder, instead of the plan's train.folder or runs/NAME.", valueName: "directory"))
    var folder: String?

    @Flag(help: "Replace the run that lies in the folder, and an existing log or checkpoint of the same name.")
    var overwrite = false

    @Option(
        help: ArgumentHelp(
            "Write one JSON object a step to this file too, besides log.jsonl in the run's folder.",
            valueName: "metrics.jsonl"))
    var log: String?

    @Option(
        help: ArgumentHelp("Write the last step's measured timeline (Chrome trace events).", valueName: "trace.json"))
    var trace: String?

    @Option(help: ArgumentHelp("Write that timeline as Trainyard's own JSON.", visibility: .hidden))
    var timeline: String?

    @Option(help: ArgumentHelp("Save the trained weights here as well.", valueName: "weights.safetensors"))
    var save: String?

    @Option(help: ArgumentHelp("Write TensorBoard event files into this directory.", valueName: "directory"))
    var tensorboard: String?

    @Flag(help: "Print at the end where a step's time goes, by kernel and by communication.")
    var profile = false

    @Flag(help: "Print nothing but errors.")
    var quiet = false

    /// What all ranks act on, by name: it has to be the same for all.
    var shared: [String: String] {
        var shared: [String: String] = [:]
        if save != nil { shared["save"] = "" }
        if trace != nil || timeline != nil { shared["trace"] = "" }
        if profile { shared["profile"] = "" }
        return shared
    }
}

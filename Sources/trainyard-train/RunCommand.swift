internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Schedules
internal import Training

/// `trainyard-train run`, the default subcommand: trains a plan.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Train the plan; every process of the job runs this with the same arguments.")

    @Argument(help: "The plan file.")
    var plan: String

    @OptionGroup var options: RunOptions

    @Option(help: ArgumentHelp("Write that timeline as Trainyard's own JSON.", visibility: .hidden))
    var timeline: String?

    func run() throws {
        LeftoverJobFiles.noteJobAndRemoveOthers()
        var isStopped = false
        let code = runRank(program: "trainyard-train", exitCode: Self.exitCode) { world in
            MappedFault.endProcess(saying: "trainyard-train: rank \(world.communicator.rank): ")
            do {
                var run = TrainingRun(
                    planPath: plan, options: options, timelinePath: timeline, world: world.communicator)
                isStopped = try run.run()
            } catch {
                // There is nothing left to save: mpirun, which ends the others, must not be kept waiting.
                TerminationSignals.restore()
                throw error
            }
        }
        if code != 0 { throw ExitCode(code) }
        if isStopped { throw ExitCode(RunManifest.stopped) }
    }

    /// The exit code of an error: 2 for errors in a file or on the command line, 3 for a layout that does not divide or
    /// fit, 1 for failures while running.
    static func exitCode(_ error: any Error) -> Int32 {
        switch error {
        case let error as TrainingError:
            switch error {
            case .diverged, .corrupted, .injected, .write, .saving, .textChanged: return 1
            case .layout(let problem): return problem.kind == .misfit ? 3 : 2
            case .noLayout: return 3
            default: return 2
            }
        case let problems as PlanProblems: return problems.isMisfitOnly ? 3 : 2
        case let error as OutputError: return error.exitCode
        case is ScheduleProblem, is ValidationError: return 2
        default: return 1
        }
    }
}

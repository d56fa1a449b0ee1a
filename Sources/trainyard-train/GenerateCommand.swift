internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Training

/// `trainyard-train generate`: continues texts with trained weights, in one process or as the ranks of a run's layout.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue texts with trained weights (one process, or a run's ranks).")

    @OptionGroup var options: GenerateOptions

    func run() throws {
        // mpirun by hand says how many processes there are.
        let names = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]
        let processes = names.lazy.compactMap { ProcessInfo.processInfo.environment[$0].flatMap(Int.init) }.first ?? 1
        if processes > 1 || options.layout == .run {
            let code = runRank(program: "trainyard-train", exitCode: RunCommand.exitCode) { world in
                try GenerationRun(options: options).run(over: world.communicator)
            }
            if code != 0 { throw ExitCode(code) }
            return
        }
        do {
            try GenerationRun(options: options).run(over: nil)
        } catch let error as OutputError {
            throw error
        } catch {
            StandardStreams.error("trainyard-train: \(error)\n")
            throw ExitCode(RunCommand.exitCode(error))
        }
    }
}

/// `trainyard-train generation-processes`: tells the launcher how many processes a run's layout takes.
struct GenerationProcessesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generation-processes", abstract: "The processes of the layout in which a checkpoint's run was.",
        shouldDisplay: false)

    @Argument(help: "A checkpoint, or a run's folder.")
    var checkpoint: String

    func run() throws {
        do {
            let path = try Checkpoint.newest(at: checkpoint)
            guard let folder = try Checkpoint.weights(at: path) as? CheckpointFolder else {
                throw GenerationRun.hasNoLayout(path)
            }
            try StandardStreams.output("\(folder.manifest.layout.devices)\n")
        } catch let error as OutputError {
            throw error
        } catch {
            StandardStreams.error("trainyard-train: \(error)\n")
            throw ExitCode(RunCommand.exitCode(error))
        }
    }
}

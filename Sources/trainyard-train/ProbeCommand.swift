internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Output
internal import Plans
internal import Training

/// `trainyard-train probe`: measures the machine at a plan's shapes and prints JSON, of which `trainyard calibrate`
/// makes a cluster file.
struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Measure kernels and messages at a plan's shapes (used by `trainyard calibrate`).")

    @Argument(help: "The plan file whose shapes are measured.")
    var plan: String

    @Flag(help: "A few repeats of each, some seconds in all.")
    var quick = false

    func run() throws {
        let code = runRank(program: "trainyard-train", exitCode: RunCommand.exitCode) { world in
            let plan = try Plan.read(path: plan, isRun: true)
            let probe = try MachineMeasurement(
                measuring: plan.model, sequences: plan.layout?.microbatch ?? 1, quick: quick,
                world: world.communicator)
            guard world.communicator.rank == 0 else { return }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try StandardStreams.output(encoder.encode(probe) + Data("\n".utf8))
        }
        if code != 0 { throw ExitCode(code) }
    }
}

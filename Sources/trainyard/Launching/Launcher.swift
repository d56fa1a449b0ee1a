internal import ArgumentParser
internal import Foundation
internal import Output

/// Starts `trainyard-train` on its own or under mpirun, and waits for its end.
struct Launcher {
    /// The reason why a real run cannot be started; printed as one line, exit code 2.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// The environment variable that has `with-launcher` lead a process group of its own.
    private static let ownGroup = "TRAINYARD_OWN_GROUP"

    /// How a program ended.
    struct Ending {
        /// The program's exit code; 128 + n when signal n ended it.
        var code: Int32
        /// Whether a signal to this process, such as Ctrl-C, asked the program to end early.
        var wasInterrupted: Bool
        /// The program's standard output, where it was captured.
        var output: Data
        /// mpirun's reason for a failure, where no rank gave one.
        var reason: LauncherOutput.Reason?
        /// The ranks' signs of life and their ends, as standard error has shown them.
        var signs = JobSigns()
    }

    /// The path of `trainyard-train`: beside this program, or on the PATH.
    static func trainProgram() throws(Failure) -> String {
        let own = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent()
        if let beside = own?.appendingPathComponent("trainyard-train").path,
            FileManager.default.isExecutableFile(atPath: beside)
        {
            return beside
        }
        if let found = find("trainyard-train") { return found }
        throw Failure(
            description:
                "trainyard-train is not built; run `make build` (it needs Open MPI and oneDNN, planning does not)")
    }

    /// The command line of a run with `processes` ranks.
    /// - Parameters:
    ///   - exports: environment variables that ranks on other hosts get too.
    ///   - binds: whether ranks stay on a core each. Of several jobs each would take the first cores.
    static func mpirun(
        processes: Int, hostfile: String?, program: String, arguments: [String], exports: [String: String] = [:],
        binds: Bool = true
    ) throws(Failure) -> [String] {
        guard let mpirun = find("mpirun") else {
            throw Failure(
                description: "mpirun was not found; install Open MPI (apt-get install openmpi-bin libopenmpi-dev)")
        }
        // `with-launcher` asks the system to end mpirun when this process ends.
        var command = [try trainProgram(), "with-launcher", mpirun, "-n", "\(processes)"]
        // Open MPI refuses to run as root unless told so; containers and test machines do.
        if geteuid() == 0 { command.append("--allow-run-as-root") }
        if let hostfile {
            command += ["--hostfile", hostfile]
        } else {
            // mpirun counts cores as slots; a run may have more ranks than cores.
            command += ["--oversubscribe", "--bind-to"]
            command.append(binds && processes <= Cores.physical() ? "core:overload-allowed,if-supported" : "none")
        }
        for (name, value) in exports.sorted(by: { $0.key < $1.key }) { command += ["-x", "\(name)=\(value)"] }
        return command + [program] + arguments
    }

    /// Runs `command` to its end with this terminal. Signals that ask this process to end are passed on; a program that
    /// does not end is killed after `SignalForwarding.grace` seconds.
    /// - Parameters:
    ///   - launcherWords: whether mpirun's own messages are filtered out of standard error.
    ///   - saves: whether the program's ranks save their state when they are asked to end.
    ///   - signals: passes signals on, where several programs are run one after the other.
    ///   - stallLimit: seconds without an answer of the ranks, as the user states them.
    static func run(
        _ command: [String], environment: [String: String] = [:], capture: Bool = false, launcherWords: Bool = false,
        saves: Bool = false, signals: SignalForwarding? = nil, stallLimit: Double? = nil
    ) throws(Failure) -> Ending {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        // Ctrl-C in a terminal would reach mpirun too, which gives its ranks a second.
        let own = saves ? [ownGroup: "1"] : [:]
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
            .merging(own) { _, new in new }
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        if capture { process.standardOutput = pipe }
        let words = launcherWords ? LauncherOutput() : nil
        if let words { process.standardError = words.pipe }
        let forwarding = signals ?? SignalForwarding(saves: saves)
        defer { if signals == nil { forwarding.stop() } else { forwarding.pause() } }
        do {
            try process.run()
        } catch {
            throw Failure(description: "\(command[0]) could not be started")
        }
        forwarding.start(to: process.processIdentifier)
        words?.startReading()
        let watch = words.map { JobWatch($0, limit: stallLimit, process: process.processIdentifier) }
        watch?.start()
        var output = Data()
        if capture {
            try? pipe.fileHandleForWriting.close()
            while case let part = StandardStreams.next(from: pipe.fileHandleForReading.fileDescriptor), !part.isEmpty {
                output += part
            }
        }
        process.waitUntilExit()
        watch?.stop()
        let ended = process.terminationStatus
        return Ending(
            code: process.terminationReason == .uncaughtSignal ? 128 + ended : ended,
            wasInterrupted: forwarding.wasAsked, output: output, reason: words?.printRest(),
            signs: words?.signs ?? JobSigns())
    }

    /// The path of an executable of this name on the PATH; nil where there is none.
    static func find(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}

internal import ArgumentParser
internal import Foundation
internal import Output

/// Starts `trainyard-train` on its own or under mpirun, and stays until it has ended.
struct Launcher {
    /// What keeps a real run from being started; printed as one line, exit code 2.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// How a program ended.
    struct Ending {
        /// Its exit code, 128 + n when signal n ended it.
        var code: Int32
        /// Whether it was asked to end early, by Ctrl-C or a request to this process.
        var wasInterrupted: Bool
        /// What it wrote to standard output, when that was captured.
        var output: Data
        /// Why mpirun says it failed, where no rank said so itself.
        var reason: LauncherWords.Reason?
    }

    /// The runtime's program: beside this one, or on the PATH.
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
    static func mpirun(
        processes: Int, hostfile: String?, program: String, arguments: [String]
    ) throws(Failure) -> [String] {
        guard let mpirun = find("mpirun") else {
            throw Failure(
                description: "mpirun was not found; install Open MPI (apt-get install openmpi-bin libopenmpi-dev)")
        }
        // By way of a word to the system that mpirun is to end with this process.
        var command = [try trainProgram(), "with-launcher", mpirun, "-n", "\(processes)"]
        // Open MPI refuses to run as root unless told that it is meant (a container, a test machine).
        if geteuid() == 0 { command.append("--allow-run-as-root") }
        if let hostfile {
            command += ["--hostfile", hostfile]
        } else {
            // mpirun counts cores as places; hardware threads, or more ranks than either, are not to stop a run.
            command += ["--oversubscribe", "--bind-to"]
            command.append(processes <= Cores.physical() ? "core:overload-allowed,if-supported" : "none")
        }
        return command + [program] + arguments
    }

    /// Runs `command` to its end with this terminal. Ctrl-C and a request to end are passed on, so that nothing is left
    /// behind; what does not end by itself then is killed after `grace` seconds.
    /// - Parameter launcherWords: whether standard error carries mpirun's words among the ranks'.
    static func run(
        _ command: [String], environment: [String: String] = [:], capture: Bool = false, launcherWords: Bool = false
    ) throws(Failure) -> Ending {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        if capture { process.standardOutput = pipe }
        let words = launcherWords ? LauncherWords() : nil
        if let words { process.standardError = words.pipe }
        let forwarding = SignalForwarding()
        defer { forwarding.end() }
        do {
            try process.run()
        } catch {
            throw Failure(description: "\(command[0]) could not be started")
        }
        forwarding.begin(to: process.processIdentifier)
        words?.begin()
        var output = Data()
        if capture {
            try? pipe.fileHandleForWriting.close()
            while case let part = StandardStreams.next(from: pipe.fileHandleForReading.fileDescriptor), !part.isEmpty {
                output += part
            }
        }
        process.waitUntilExit()
        let ended = process.terminationStatus
        return Ending(
            code: process.terminationReason == .uncaughtSignal ? 128 + ended : ended,
            wasInterrupted: forwarding.wasAsked, output: output, reason: words?.end())
    }

    /// An executable of this name on the PATH.
    private static func find(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}

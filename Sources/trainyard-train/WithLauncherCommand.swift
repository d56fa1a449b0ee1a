internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Output

/// `trainyard-train with-launcher`: becomes another program, mpirun, and asks the system to end it when the launcher
/// ends. A launcher that is killed cannot end mpirun itself.
struct WithLauncherCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "with-launcher", abstract: "Start a program that ends with its parent process.",
        shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.")
    var command: [String]

    func run() throws {
        // When the launcher is gone, writes to its pipes must not keep mpirun from tidying up.
        signal(SIGPIPE, SIG_IGN)
        // The launcher passes signals on itself, and asks ranks to save before it ends mpirun.
        if ProcessInfo.processInfo.environment["TRAINYARD_OWN_GROUP"] != nil { setpgid(0, 0) }
        guard endWithParent() else { throw ExitCode(1) }
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        arguments.append(nil)
        execv(command[0], arguments)
        StandardStreams.error("trainyard-train: \(command[0]): \(String(cString: strerror(errno)))\n")
        throw ExitCode(127)
    }
}

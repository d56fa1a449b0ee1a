internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Output

/// Becomes another program, mpirun, that ends with the process that started this one: a launcher that is killed cannot
/// tell its job to end, the system can.
struct WithLauncherCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "with-launcher", abstract: "Start a program that ends with its parent process.",
        shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.")
    var command: [String]

    func run() throws {
        // With the launcher its end of the pipes goes: mpirun shall tidy up all the same.
        signal(SIGPIPE, SIG_IGN)
        guard endWithParent() else { throw ExitCode(1) }
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        arguments.append(nil)
        execv(command[0], arguments)
        StandardStreams.error("trainyard-train: \(command[0]): \(String(cString: strerror(errno)))\n")
        throw ExitCode(127)
    }
}

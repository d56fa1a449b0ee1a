import Foundation
import TestSupport
import Testing

/// A program of this package as built, run as a user runs it.
struct BuiltProgram {
    /// What a finished process left.
    struct Outcome {
        let exitCode: Int32
        let output: String
        let errors: String
        /// Both, for a test's failure message.
        var everything: String { output + errors }

        /// The one JSON object that standard output is; fails the test where the program failed.
        func document(sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any] {
            #expect(exitCode == 0, "\(everything)", sourceLocation: sourceLocation)
            return try #require(
                try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any],
                sourceLocation: sourceLocation)
        }
    }

    struct NotBuilt: Error, CustomStringConvertible {
        let name: String
        let searched: [String]
        var description: String { "'\(name)' is not built; looked in \(searched.joined(separator: ", "))" }
    }

    let url: URL

    /// Root of the package.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Finds a program next to the running test bundle, else in `.build`.
    init(_ name: String) throws {
        var folders: [URL] = []
        let arguments = CommandLine.arguments
        for (index, argument) in arguments.enumerated() where argument == "--test-bundle-path" {
            if index + 1 < arguments.count { folders.append(URL(filePath: arguments[index + 1])) }
        }
        folders.append(URL(filePath: arguments[0]))
        folders = folders.map { $0.deletingLastPathComponent() }
        folders += ["debug", "release"].map { Self.root.appending(path: ".build/\($0)") }
        guard
            let found = folders.map({ $0.appending(path: name) })
                .first(where: { FileManager.default.isExecutableFile(atPath: $0.path) })
        else { throw NotBuilt(name: name, searched: folders.map(\.path)) }
        url = found
    }

    /// Runs the program by itself.
    func run(_ arguments: [String] = [], in folder: URL = root) throws -> Outcome {
        try Self.run(url, arguments, in: folder)
    }

    /// Runs it as a job of `processes` ranks. A job that hangs is ended by mpirun after `timeout` seconds.
    func run(
        processes: Int, _ arguments: [String] = [], timeout: Int = 120, in folder: URL = root
    ) throws -> Outcome {
        let mpirun = try #require(Self.mpirun)
        let options = [
            "-q", "--allow-run-as-root", "--oversubscribe", "--timeout", "\(timeout)", "-n", "\(processes)", url.path,
        ]
        return try Self.run(mpirun, options + arguments, in: folder)
    }

    /// Runs it as a job whose ranks have arguments, and if need be a program, of their own.
    func run(
        ranks: [(program: URL, arguments: [String])], timeout: Int = 60, in folder: URL = root
    ) throws -> Outcome {
        let mpirun = try #require(Self.mpirun)
        var options = ["-q", "--allow-run-as-root", "--oversubscribe", "--timeout", "\(timeout)"]
        for (index, rank) in ranks.enumerated() {
            options += (index == 0 ? [] : [":"]) + ["-n", "1", rank.program.path] + rank.arguments
        }
        return try Self.run(mpirun, options, in: folder)
    }

    /// Starts the program by itself, without waiting for its end; its words go nowhere.
    func start(_ arguments: [String], in folder: URL = root) throws -> Process {
        try Self.start(url, arguments, in: folder)
    }

    /// Starts it as a job of `processes` ranks, without waiting for its end.
    func start(processes: Int, _ arguments: [String], in folder: URL = root) throws -> Process {
        let mpirun = try #require(Self.mpirun)
        let options = ["-q", "--allow-run-as-root", "--oversubscribe", "-n", "\(processes)", url.path]
        return try Self.start(mpirun, options + arguments, in: folder)
    }

    private static func start(_ program: URL, _ arguments: [String], in folder: URL) throws -> Process {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// Open MPI's launcher, nil where it is not installed.
    static let mpirun: URL? = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
        return path.split(separator: ":").map { URL(filePath: String($0)).appending(path: "mpirun") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    /// Runs any program.
    static func run(_ program: URL, _ arguments: [String], in folder: URL) throws -> Outcome {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.currentDirectoryURL = folder
        // Files rather than pipes: a pipe that is not read in time stops the child.
        let scratch = try TemporaryFolder()
        let files = ["output", "errors"].map { scratch.url.appending(path: $0) }
        for file in files { try Data().write(to: file) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        try process.run()
        process.waitUntilExit()
        return Outcome(
            exitCode: process.terminationStatus,
            output: try String(decoding: Data(contentsOf: files[0]), as: UTF8.self),
            errors: try String(decoding: Data(contentsOf: files[1]), as: UTF8.self))
    }
}

internal import ArgumentParser
internal import Output

extension Failure {
    /// Says on standard error what is wrong with the input; the exit code to throw.
    static func input(_ message: String) -> ExitCode {
        Console.error(message)
        return ExitCode(badInput)
    }
}

extension OutputFile {
    /// Refuses paths that cannot be written, before the work whose results go there.
    static func check(_ paths: String?...) throws(OutputError) {
        for case let path? in paths { _ = try OutputFile(path) }
    }
}

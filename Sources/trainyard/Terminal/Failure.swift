internal import ArgumentParser

/// The exit codes of a command that fails.
enum Failure {
    static let failedWhileRunning: Int32 = 1
    static let badInput: Int32 = 2
    static let doesNotFit: Int32 = 3

    /// Prints on standard error what is wrong with the input.
    /// - Returns: the exit code to throw.
    static func input(_ message: String) -> ExitCode {
        Console.error(message)
        return ExitCode(badInput)
    }

    /// Prints on standard error why the plan does not fit.
    /// - Returns: the exit code to throw.
    static func misfit(_ message: String) -> ExitCode {
        Console.error(message)
        return ExitCode(doesNotFit)
    }
}

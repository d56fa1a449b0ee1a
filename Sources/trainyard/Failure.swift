internal import ArgumentParser
internal import Costs
internal import Output
internal import Planner
internal import Plans
internal import Reading

/// Turns what a command throws into words on standard error and an exit code: 1 failed while running, 2 bad usage or bad
/// input, 3 the plan does not fit.
enum Failure {
    static let failedWhileRunning: Int32 = 1
    static let badInput: Int32 = 2
    static let doesNotFit: Int32 = 3

    /// Tells the user about `error`; the exit code to end with.
    static func report(_ error: any Error) -> Int32 {
        switch error {
        case let problems as PlanProblems:
            // Without a problem there still has to be a word.
            let lines = problems.problems.isEmpty ? [problems.description] : problems.problems.map(\.description)
            lines.forEach(Console.error)
            return problems.isMisfitOnly ? doesNotFit : badInput
        case let error as PlannerError:
            Console.error(error.description)
            switch error {
            case .noLayout, .nothingFits, .unreachable: return doesNotFit
            case .contradiction: return badInput
            case .cost(let cost): return code(cost)
            case .simulation: return failedWhileRunning
            }
        case let error as OutputError:
            StandardStreams.endIfReaderHasGone(error)
            Console.error(error.description)
            return error.exitCode
        case let error as Launcher.Failure:
            Console.error(error.description)
            return badInput
        case let error as CostError:
            Console.error(error.description)
            return code(error)
        default:
            return reportParsing(error)
        }
    }

    private static func code(_ error: CostError) -> Int32 {
        if case .badLayout = error { return doesNotFit }
        return badInput
    }

    /// Usage errors, requests for help and whatever else a command threw.
    private static func reportParsing(_ error: any Error) -> Int32 {
        let code = Trainyard.exitCode(for: error)
        let message = Trainyard.fullMessage(for: error)
        if code == .success {
            do throws(OutputError) {
                if !message.isEmpty { try Console.print(message) }
                return 0
            } catch {
                return report(error)
            }
        }
        if !message.isEmpty {
            let word = CommandLine.arguments.dropFirst().first
            let command = Trainyard.configuration.subcommands.first { $0.configuration.commandName == word }
            let options = command.map { Trainyard.helpMessage(for: $0) } ?? ""
            Console.error(Wording.usage(Trainyard.message(for: error), help: message, options: options))
        }
        return code == .validationFailure ? badInput : code.rawValue
    }
}

/// What people read: results on standard output, all else on standard error.
enum Console {
    /// Writes to standard output, or says why it could not.
    static func print(_ text: String, terminator: String = "\n") throws(OutputError) {
        try StandardStreams.output(text + terminator)
    }

    static func write(_ line: String) { StandardStreams.error(line + "\n") }

    static func error(_ message: String) { write("error: \(message)") }

    /// Something assumed or doubtful that does not stop the command.
    static func note(_ message: String) { write("note: \(message)") }

    static func notes(_ remarks: [Remark]) { remarks.forEach { note($0.text) } }
}

/// Takes the place of the standard library's `print`, which says nothing where the disk is full.
func print(_ text: String, terminator: String = "\n") throws(OutputError) {
    try Console.print(text, terminator: terminator)
}

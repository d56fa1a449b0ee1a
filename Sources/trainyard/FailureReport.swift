internal import ArgumentParser
internal import Costs
internal import Output
internal import Planner
internal import Plans
internal import Reading

/// The report of an error that a command threw: lines on standard error and an exit code.
extension Failure {
    /// Prints `error` on standard error.
    /// - Returns: the exit code to end with.
    static func report(_ error: any Error) -> Int32 {
        switch error {
        case let problems as PlanProblems:
            // An empty list of problems still prints a line.
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

    /// Reports usage errors, requests for help and all other errors.
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

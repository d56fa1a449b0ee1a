internal import Foundation
internal import Output

extension Console {
    /// Columns of the output: the value of COLUMNS, else the width of the terminal; nil where standard output is no
    /// terminal.
    static var width: Int? {
        if let stated = ProcessInfo.processInfo.environment["COLUMNS"].flatMap({ Int($0) }),
            (20...1000).contains(stated)
        {
            return stated
        }
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 else { return nil }
        return Int(size.ws_col)
    }

    /// Lays help out for at least 80 columns, so that its examples are not broken and can be copied.
    static func keepExamplesWhole() {
        let asksForHelp = CommandLine.arguments.dropFirst().contains { ["--help", "-h", "help"].contains($0) }
        guard CommandLine.arguments.count == 1 || asksForHelp, let width, width < 80 else { return }
        setenv("COLUMNS", "80", 1)
    }

    /// Whether standard output is a terminal that shows colours, and NO_COLOR is not set (no-color.org).
    static var isColoured: Bool {
        let environment = ProcessInfo.processInfo.environment
        return isatty(STDOUT_FILENO) == 1 && environment["NO_COLOR"] == nil && environment["TERM"] != "dumb"
    }

    /// Whether standard error is a terminal, where a line can be overwritten.
    static var drawsProgress: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes to standard error without ending the line.
    static func draw(_ text: String) { StandardStreams.error(text) }
}

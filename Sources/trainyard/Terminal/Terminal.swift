internal import Foundation
internal import Output

extension Console {
    /// Columns of the output: what COLUMNS says, else the terminal standard output goes to; nil if it goes elsewhere.
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

    /// Help is set for at least 80 columns: its examples are that long, and cut in the middle they could not be copied.
    static func keepExamplesWhole() {
        let asksForHelp = CommandLine.arguments.dropFirst().contains { ["--help", "-h", "help"].contains($0) }
        guard CommandLine.arguments.count == 1 || asksForHelp, let width, width < 80 else { return }
        setenv("COLUMNS", "80", 1)
    }

    /// Whether standard output is a terminal that shows colours and whose user does not object (no-color.org).
    static var isColoured: Bool {
        let environment = ProcessInfo.processInfo.environment
        return isatty(STDOUT_FILENO) == 1 && environment["NO_COLOR"] == nil && environment["TERM"] != "dumb"
    }

    /// Whether standard error is a terminal, where a line can be drawn over.
    static var drawsProgress: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes to standard error without ending the line.
    static func draw(_ text: String) { StandardStreams.error(text) }
}

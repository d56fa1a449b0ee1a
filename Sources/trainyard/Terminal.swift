internal import Foundation
internal import Output

extension Console {
    /// Columns of the terminal standard output goes to, nil if it goes elsewhere.
    static var width: Int? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 else { return nil }
        return Int(size.ws_col)
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

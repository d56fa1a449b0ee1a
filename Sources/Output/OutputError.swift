/// The reason why something could not be written; printed as one line.
package struct OutputError: Error, Hashable, Sendable, CustomStringConvertible {
    /// When the error was found.
    package enum Moment: Hashable, Sendable {
        /// Before the work whose result goes there: the path is bad input.
        case before
        /// While writing: a full disk, a closed pipe.
        case writing
    }

    /// The path as the user wrote it, or `standard output`.
    package var place: String
    package var reason: String
    package var moment: Moment
    /// Whether the reader at the other end of the pipe has gone.
    var isClosedPipe: Bool

    init(_ place: String, _ reason: String, _ moment: Moment, isClosedPipe: Bool = false) {
        self.place = place
        self.reason = reason
        self.moment = moment
        self.isClosedPipe = isClosedPipe
    }

    /// The exit code of a program that ends with this error: 2 for bad input, 1 for a failure while running.
    package var exitCode: Int32 { moment == .before ? 2 : 1 }

    package var description: String { "cannot write \(place): \(reason)" }
}

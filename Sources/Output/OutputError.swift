/// Why something could not be written; printed as one line.
package struct OutputError: Error, Hashable, Sendable, CustomStringConvertible {
    /// When it was found.
    package enum Moment: Hashable, Sendable {
        /// Before any work was done for it: the path is bad input.
        case before
        /// While writing: a full disk, a closed pipe.
        case writing
    }

    /// The file as the user wrote it, or `standard output`.
    package var place: String
    package var reason: String
    package var moment: Moment
    /// Whether the reader at the other end has gone.
    var isClosedPipe: Bool

    init(_ place: String, _ reason: String, _ moment: Moment, isClosedPipe: Bool = false) {
        self.place = place
        self.reason = reason
        self.moment = moment
        self.isClosedPipe = isClosedPipe
    }

    /// What a program ends with because of it: 2 for bad input, 1 for a failure while running.
    package var exitCode: Int32 { moment == .before ? 2 : 1 }

    package var description: String { "cannot write \(place): \(reason)" }
}

internal import Output
internal import Plans
internal import Reading

/// The output of the command line: results on standard output, everything else on standard error.
enum Console {
    /// Writes to standard output, or says why it could not.
    static func print(_ text: String, terminator: String = "\n") throws(OutputError) {
        try StandardStreams.output(text + terminator)
    }

    static func write(_ line: String) { StandardStreams.error(line + "\n") }

    static func error(_ message: String) { write("error: \(message)") }

    /// Prints a remark that does not stop the command.
    static func note(_ message: String) { write("note: \(message)") }

    static func notes(_ remarks: [Remark]) { remarks.forEach { note($0.text) } }
}

/// Takes the place of the standard library's `print`, which says nothing where the disk is full.
func print(_ text: String, terminator: String = "\n") throws(OutputError) {
    try Console.print(text, terminator: terminator)
}

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Standard output and standard error of this process, written without a buffer.
package enum StandardStreams {
    /// Prepares the streams. Called once, before anything else.
    ///
    /// A write to a pipe whose reader has gone fails instead of ending the process. SIGPIPE gets a handler rather than
    /// being ignored: child programs then start with its default meaning. A stream that is closed at the start is
    /// replaced by a descriptor that refuses writes, so that no file opened later gets its number.
    package static func prepare() {
        signal(SIGPIPE) { _ in }
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) == -1 {
            // `open` returns the lowest free descriptor, which is this one.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// The name of standard output in messages.
    private static let outputName = "standard output"

    /// Writes to standard output.
    package static func output(_ bytes: some Sequence<UInt8>) throws(OutputError) {
        let code = Array(bytes).withUnsafeBytes { System.write($0, to: STDOUT_FILENO) }
        guard code == 0 else {
            throw OutputError(outputName, System.words(code), .writing, isClosedPipe: code == EPIPE)
        }
    }

    package static func output(_ text: String) throws(OutputError) { try output(text.utf8) }

    /// Writes to standard error. An error there has nowhere to be reported.
    package static func error(_ bytes: some Sequence<UInt8>) {
        _ = Array(bytes).withUnsafeBytes { System.write($0, to: STDERR_FILENO) }
    }

    package static func error(_ text: String) { error(text.utf8) }

    /// The next bytes that another process wrote into a pipe; empty at the end.
    package static func next(from descriptor: Int32) -> [UInt8] { System.read(from: descriptor) }

    /// Ends this process by SIGPIPE, without a message, where `error` says that the reader of standard output has gone
    /// (`… | head`): other command-line programs end so too.
    package static func endIfReaderHasGone(_ error: OutputError) {
        guard error.isClosedPipe, error.place == outputName else { return }
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
        // Reached only where the signal is blocked: the exit code that a shell reports for it.
        exit(128 + SIGPIPE)
    }
}

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Standard output and standard error of this process, written at once and in whole.
package enum StandardStreams {
    /// Called once, before anything else is done.
    ///
    /// A reader that goes away makes a write fail instead of ending the process. A handler is set rather than the signal
    /// ignored: programs started from here begin with the usual meaning again. A stream that was closed at the start is
    /// taken by a descriptor that refuses to be written to, so that no file opened later is mistaken for it.
    package static func prepare() {
        signal(SIGPIPE) { _ in }
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) == -1 {
            // The lowest free number is given, which is this one.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// What messages call standard output.
    private static let outputName = "standard output"

    /// Writes to standard output.
    package static func output(_ bytes: some Sequence<UInt8>) throws(OutputError) {
        let code = Array(bytes).withUnsafeBytes { System.write($0, to: STDOUT_FILENO) }
        guard code == 0 else {
            throw OutputError(outputName, System.words(code), .writing, isClosedPipe: code == EPIPE)
        }
    }

    package static func output(_ text: String) throws(OutputError) { try output(text.utf8) }

    /// Writes to standard error. Where that cannot be written, there is nowhere left to say so.
    package static func error(_ bytes: some Sequence<UInt8>) {
        _ = Array(bytes).withUnsafeBytes { System.write($0, to: STDERR_FILENO) }
    }

    package static func error(_ text: String) { error(text.utf8) }

    /// The next bytes that another process wrote into a pipe; none when it has closed it.
    package static func next(from descriptor: Int32) -> [UInt8] { System.read(from: descriptor) }

    /// Where `error` says that the reader of standard output has gone (`… | head`), ends this process as the field's
    /// programs end then: by the signal, without a word.
    package static func endIfReaderHasGone(_ error: OutputError) {
        guard error.isClosedPipe, error.place == outputName else { return }
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
        // Where the signal is blocked: the code a shell gives it.
        exit(128 + SIGPIPE)
    }
}

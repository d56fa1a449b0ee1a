internal import Foundation
internal import Synchronization

/// Runs a last function when the process is asked to end.
///
/// A signal handler may do next to nothing. It passes the signal's number on to a thread, which runs the function and then
/// ends the process by that signal.
enum TerminationSignals {
    /// The end of a pipe that the handler writes to; -1 while nobody listens.
    private static let pipeEnd = Atomic<Int32>(-1)

    /// From now on, calls `last` on a thread of its own before SIGINT, SIGTERM or SIGHUP ends this process. Called once.
    static func listen(_ last: @escaping @Sendable () -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let source = ends[0]
        pipeEnd.store(ends[1], ordering: .sequentiallyConsistent)
        Thread.detachNewThread {
            var number: UInt8 = 0
            while read(source, &number, 1) != 1 { guard errno == EINTR else { return } }
            last()
            signal(Int32(number), SIG_DFL)
            kill(getpid(), Int32(number))
        }
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var old = sigaction()
            // Signals that `nohup` ignores stay ignored.
            guard sigaction(number, nil, &old) == 0, !isIgnored(old) else { continue }
            signal(number) { number in
                let saved = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(TerminationSignals.pipeEnd.load(ordering: .sequentiallyConsistent), &byte, 1)
                errno = saved
            }
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        #if canImport(Darwin)
            unsafeBitCast(action.__sigaction_u.__sa_handler, to: Int.self) == 1
        #else
            unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
        #endif
    }
}

internal import Foundation
internal import Synchronization

/// Lets a process say a last word when it is asked to end.
///
/// A signal handler may do next to nothing: it passes the signal's number on to a thread, which says the word and then ends
/// the process by the same signal.
enum EndingSignals {
    /// Where the handler writes; -1 while nobody listens.
    private static let pipeEnd = Atomic<Int32>(-1)

    /// From now on, calls `word` on a thread of its own before SIGINT, SIGTERM or SIGHUP ends this process. Called once.
    static func listen(_ word: @escaping @Sendable () -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let source = ends[0]
        pipeEnd.store(ends[1], ordering: .sequentiallyConsistent)
        Thread.detachNewThread {
            var number: UInt8 = 0
            while read(source, &number, 1) != 1 { guard errno == EINTR else { return } }
            word()
            signal(Int32(number), SIG_DFL)
            kill(getpid(), Int32(number))
        }
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var old = sigaction()
            // What `nohup` ignores stays ignored.
            guard sigaction(number, nil, &old) == 0, !isIgnored(old) else { continue }
            signal(number) { number in
                let saved = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(EndingSignals.pipeEnd.load(ordering: .sequentiallyConsistent), &byte, 1)
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

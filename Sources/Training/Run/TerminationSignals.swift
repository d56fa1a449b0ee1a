internal import Foundation
internal import Synchronization

/// What a process does when it is asked to end.
///
/// A signal handler may do next to nothing. It passes the signal's number on to a thread, which asks the run to stop, or runs a
/// last function and then ends the process by that signal. No handler runs on a thread that computes: oneDNN 2.6 keeps data of a
/// product below the stack pointer, where the system writes a handler's frame, and what it then writes is anybody's memory.
package enum TerminationSignals {
    /// The end of a pipe that the handler writes to; -1 while nobody listens.
    private static let pipeEnd = Atomic<Int32>(-1)
    private static let asked = Atomic<Bool>(false)
    private static let leaving = Atomic<Bool>(false)

    /// Whether a signal asked the run to stop.
    package static var isAsked: Bool { asked.load(ordering: .sequentiallyConsistent) }

    /// From now on signals do nothing: the run has saved its state and is about to leave.
    package static func leave() { leaving.store(true, ordering: .sequentiallyConsistent) }

    /// From now on, calls `last` on a thread of its own before SIGINT, SIGTERM or SIGHUP ends this process. Called once, by the
    /// thread that computes: other threads take the signals from now on.
    /// - Parameter first: called at the first signal, which then only sets `isAsked`: the run can save its state and leave. nil:
    ///   the first signal ends the process.
    package static func listen(first: (@Sendable () -> Void)? = nil, last: @escaping @Sendable () -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let source = ends[0]
        pipeEnd.store(ends[1], ordering: .sequentiallyConsistent)
        Thread.detachNewThread {
            var number: UInt8 = 0
            if let first {
                guard next(source, &number) else { return }
                asked.store(true, ordering: .sequentiallyConsistent)
                first()
                // mpirun may send a signal twice, a moment apart.
                let asked = MonotonicClock.seconds()
                repeat { guard next(source, &number) else { return } } while MonotonicClock.seconds() < asked + 0.5
            } else {
                guard next(source, &number) else { return }
            }
            while leaving.load(ordering: .sequentiallyConsistent) { guard next(source, &number) else { return } }
            last()
            signal(Int32(number), SIG_DFL)
            kill(getpid(), Int32(number))
        }
        var blocked = sigset_t()
        sigemptyset(&blocked)
        // mpirun passes SIGUSR2 on without an end of its own: only a run that can save understands it.
        for number in [SIGINT, SIGTERM, SIGHUP] + (first == nil ? [] : [SIGUSR2]) {
            var old = sigaction()
            // Signals that `nohup` ignores stay ignored.
            guard sigaction(number, nil, &old) == 0, !isIgnored(old) else { continue }
            sigaddset(&blocked, number)
            signal(number) { number in
                let saved = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(TerminationSignals.pipeEnd.load(ordering: .sequentiallyConsistent), &byte, 1)
                errno = saved
            }
        }
        // Threads that this one makes inherit this. The thread above was made before.
        pthread_sigmask(SIG_BLOCK, &blocked, nil)
    }

    /// From now on signals end this process at once, as without `listen`.
    package static func restore() {
        guard pipeEnd.load(ordering: .sequentiallyConsistent) >= 0 else { return }
        for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR2] { signal(number, SIG_DFL) }
    }

    /// From now on signals do nothing.
    package static func ignore() {
        for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR2] { signal(number, SIG_IGN) }
    }

    /// Waits for the next signal.
    private static func next(_ source: Int32, _ number: inout UInt8) -> Bool {
        while read(source, &number, 1) != 1 { guard errno == EINTR else { return false } }
        return true
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        #if canImport(Darwin)
            unsafeBitCast(action.__sigaction_u.__sa_handler, to: Int.self) == 1
        #else
            unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
        #endif
    }
}

internal import Foundation
internal import Synchronization

/// Passes Ctrl-C and requests to end on to a child process while it runs, and kills one that does not heed them.
///
/// A signal handler may look at nothing but atomics, so what it needs is global; one forwarding is active at a time.
struct SignalForwarding {
    private static let numbers = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
    /// The process to tell, 0 while there is none.
    private static let child = Atomic<Int32>(0)
    /// The first signal received, 0 if none.
    private static let received = Atomic<Int32>(0)
    /// Seconds the child has to end by itself once it was asked to; mpirun gives its ranks one before it kills them.
    static let grace: UInt32 = 10

    /// Catches the signals. Called before the child starts: a signal that is ignored or blocked here would be ignored
    /// or blocked in the child as well, whereas a caught one starts afresh.
    init() {
        Self.child.store(0, ordering: .sequentiallyConsistent)
        Self.received.store(0, ordering: .sequentiallyConsistent)
        var set = sigset_t()
        sigemptyset(&set)
        signal(SIGALRM) { _ in SignalForwarding.tell(SIGKILL) }
        sigaddset(&set, SIGALRM)
        for number in Self.numbers {
            sigaddset(&set, number)
            signal(number) { number in
                SignalForwarding.received.store(number, ordering: .sequentiallyConsistent)
                SignalForwarding.tell(number)
                alarm(SignalForwarding.grace)
            }
        }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// From now on signals go to `process`; one that came before goes at once.
    func begin(to process: Int32) {
        Self.child.store(process, ordering: .sequentiallyConsistent)
        let early = Self.received.load(ordering: .sequentiallyConsistent)
        if early != 0 { Self.tell(early) }
    }

    /// Gives the signals their usual meaning back.
    func end() {
        Self.child.store(0, ordering: .sequentiallyConsistent)
        alarm(0)
        for number in Self.numbers + [SIGALRM] { signal(number, SIG_DFL) }
    }

    /// Whether this process was asked to end.
    var wasAsked: Bool { Self.received.load(ordering: .sequentiallyConsistent) != 0 }

    private static func tell(_ number: Int32) {
        let process = child.load(ordering: .sequentiallyConsistent)
        // mpirun ends its ranks on SIGINT and SIGTERM; where it is killed, they end themselves.
        if process > 0 { kill(process, number == SIGHUP || number == SIGQUIT ? SIGTERM : number) }
    }
}

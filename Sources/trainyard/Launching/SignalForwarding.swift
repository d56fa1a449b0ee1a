internal import Foundation
internal import Synchronization

/// Passes Ctrl-C and other signals that ask to end on to a child process, and kills a child that does not end.
///
/// A signal handler may use only global atomics, so the state is static and one forwarding is active at a time.
struct SignalForwarding {
    private static let numbers = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]
    /// The child process; 0 while there is none.
    private static let child = Atomic<Int32>(0)
    /// The last signal received; 0 if none.
    private static let received = Atomic<Int32>(0)
    /// Whether the first signal only asks the ranks to save their state and leave.
    private static let asksFirst = Atomic<Bool>(false)
    /// Whether the ranks hear SIGUSR2; before that it would end them, or be lost in mpirun.
    private static let hears = Atomic<Bool>(false)
    /// Whether a first signal waits until they do.
    private static let waits = Atomic<Bool>(false)
    /// Seconds that a run has to save its state.
    static let savingGrace: UInt32 = 3600
    /// Seconds that the child has to end after it was asked to. mpirun gives its ranks one second before it kills them.
    static let grace: UInt32 = 10

    /// Catches the signals. Called before the child starts: a child inherits ignored and blocked signals, but not
    /// caught ones.
    /// - Parameter saves: whether the child's ranks save their state at SIGUSR2, which mpirun passes on to them.
    init(saves: Bool = false) {
        Self.asksFirst.store(saves, ordering: .sequentiallyConsistent)
        Self.child.store(0, ordering: .sequentiallyConsistent)
        Self.received.store(0, ordering: .sequentiallyConsistent)
        Self.hears.store(false, ordering: .sequentiallyConsistent)
        Self.waits.store(false, ordering: .sequentiallyConsistent)
        var set = sigset_t()
        sigemptyset(&set)
        signal(SIGALRM) { _ in SignalForwarding.tell(SIGKILL) }
        sigaddset(&set, SIGALRM)
        for number in Self.numbers {
            sigaddset(&set, number)
            signal(number) { number in
                SignalForwarding.received.store(number, ordering: .sequentiallyConsistent)
                let asks = SignalForwarding.asksFirst.exchange(false, ordering: .sequentiallyConsistent)
                if asks { SignalForwarding.waits.store(true, ordering: .sequentiallyConsistent) }
                if !asks {
                    SignalForwarding.tell(SignalForwarding.ending(number))
                } else if SignalForwarding.hears.load(ordering: .sequentiallyConsistent) {
                    SignalForwarding.tellFirst()
                }
                alarm(asks ? SignalForwarding.savingGrace : SignalForwarding.grace)
            }
        }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Forwards signals to `process` from now on; one that came earlier is forwarded at once.
    func start(to process: Int32) {
        Self.child.store(process, ordering: .sequentiallyConsistent)
        let early = Self.received.load(ordering: .sequentiallyConsistent)
        // It came before the child was there: there is nothing to save.
        if early != 0 { Self.tell(Self.ending(early)) }
    }

    /// The ranks of the child hear SIGUSR2 now.
    static func jobHears() {
        guard !hears.exchange(true, ordering: .sequentiallyConsistent) else { return }
        tellFirst()
    }

    /// Passes on a first signal that waits, once.
    private static func tellFirst() {
        if waits.exchange(false, ordering: .sequentiallyConsistent) { tell(SIGUSR2) }
    }

    /// The child has ended, and another may follow.
    func pause() {
        Self.hears.store(false, ordering: .sequentiallyConsistent)
        Self.child.store(0, ordering: .sequentiallyConsistent)
        alarm(0)
    }

    /// Restores the default handling of the signals.
    func stop() {
        Self.child.store(0, ordering: .sequentiallyConsistent)
        alarm(0)
        for number in Self.numbers + [SIGALRM] { signal(number, SIG_DFL) }
    }

    /// Whether this process was asked to end.
    var wasAsked: Bool { Self.received.load(ordering: .sequentiallyConsistent) != 0 }

    private static func tell(_ number: Int32) {
        let process = child.load(ordering: .sequentiallyConsistent)
        if process > 0 { kill(process, number) }
    }

    /// The signal that ends the child where this process was asked to end by `number`. mpirun ends its ranks on SIGINT and
    /// SIGTERM, and passes SIGUSR1 and SIGUSR2 on; where it is killed, they end themselves.
    private static func ending(_ number: Int32) -> Int32 { number == SIGINT ? SIGINT : SIGTERM }
}

internal import CMPI

/// The state of MPI in this process, shared by everything that may still call it.
///
/// It owns the windows and communicators, in the order they were made, because they are freed by collective calls: at the
/// end of work that went well (`Communicator.free`, `World.finalize`) and nowhere else. It also remembers a request that was
/// dropped before it was done. The buffer of such a request may be gone while a peer still reads or writes it, so nothing
/// after that can be trusted and every later call throws.
final class Session {
    private enum Resource {
        case communicator(MPI_Comm)
        case window(MPI_Win)
    }

    private(set) var broken: MPIError?
    /// The first shared window that found no room.
    var shortage: SharedMemoryShortage?
    private var resources: [Resource] = []

    func markBroken(_ error: MPIError) {
        if broken == nil { broken = error }
    }

    @inline(__always)
    func checkIntact() throws(MPIError) {
        if let broken { throw broken }
    }

    /// Communicators and windows not freed yet.
    var count: Int { resources.count }

    func own(communicator: MPI_Comm) { resources.append(.communicator(communicator)) }

    func own(window: MPI_Win) { resources.append(.window(window)) }

    /// Frees windows and communicators from number `first` on, the newest first: a window before the communicator it was
    /// made on. Ranks that made them together free them in the same order, so none waits for ever.
    func free(from first: Int) throws(MPIError) {
        while resources.count > first, let last = resources.popLast() {
            switch last {
            case .communicator(let handle):
                var handle: MPI_Comm? = handle
                try check(MPI_Comm_free(&handle), "MPI_Comm_free")
            case .window(let window):
                var window: MPI_Win? = window
                try check(MPI_Win_free(&window), "MPI_Win_free")
            }
        }
    }
}

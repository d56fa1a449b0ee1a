internal import CMPI

/// A group of ranks that talk among themselves (MPI 3.1, chapter 6).
///
/// Calls marked *collective* must be made by every rank of the communicator, in the same order. Counts above
/// `Int32.max` elements are refused. Every call throws `MPIError`.
package final class Communicator {
    /// This process's number, 0..<size.
    package let rank: Int
    /// Processes in the group.
    package let size: Int

    let handle: MPI_Comm
    let session: Session
    private let isWorld: Bool

    init(handle: MPI_Comm, session: Session, isWorld: Bool) throws(MPIError) {
        var rank: Int32 = 0
        var size: Int32 = 0
        try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
        try check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
        self.rank = Int(rank)
        self.size = Int(size)
        self.handle = handle
        self.session = session
        self.isWorld = isWorld
    }

    deinit {
        guard !isWorld else { return }
        var handle: MPI_Comm? = handle
        MPI_Comm_free(&handle)
    }

    /// Collective. Ranks with the same colour form a new communicator, ordered by `key`, then by their rank here
    /// (MPI 3.1, section 6.4.2).
    /// - Parameter color: which group this rank joins, not negative; nil joins none and gives nil.
    package func split(color: Int?, key: Int) throws(MPIError) -> Communicator? {
        try session.checkIntact()
        var made: MPI_Comm? = cmpi_comm_null()
        try check(
            MPI_Comm_split(handle, color.map(nonNegative) ?? cmpi_undefined(), Int32(clamping: key), &made),
            "MPI_Comm_split")
        guard let made, made != cmpi_comm_null() else { return nil }
        return try Communicator(handle: made, session: session, isWorld: false)
    }

    /// Collective. Returns when every rank has called it (MPI 3.1, section 5.3).
    package func barrier() throws(MPIError) {
        try session.checkIntact()
        try check(MPI_Barrier(handle), "MPI_Barrier")
    }

    /// - Throws: `MPIError` if some `Transfer` or `TransferSet` was dropped before it was finished.
    package func checkNothingDropped() throws(MPIError) {
        try session.checkIntact()
    }
}

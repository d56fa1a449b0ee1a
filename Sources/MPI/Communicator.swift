internal import CMPI

/// A place in the list of communicators and windows a rank has made.
package struct ResourceMark: Hashable, Sendable {
    let count: Int
}

/// A group of ranks that talk among themselves (MPI 3.1, chapter 6).
///
/// Calls marked *collective* must be made by every rank of the communicator, in the same order. Counts above
/// `Int32.max` elements are refused. Every call throws `MPIError`. A communicator lives until it is freed (`free`), or until
/// `World.finalize`.
package final class Communicator {
    /// This process's number, 0..<size.
    package let rank: Int
    /// Processes in the group.
    package let size: Int

    let handle: MPI_Comm
    let session: Session

    init(handle: MPI_Comm, session: Session) throws(MPIError) {
        var rank: Int32 = 0
        var size: Int32 = 0
        try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
        try check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
        self.rank = Int(rank)
        self.size = Int(size)
        self.handle = handle
        self.session = session
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
        session.own(communicator: made)
        return try Communicator(handle: made, session: session)
    }

    /// The present end of the list of communicators and windows, for `free(since:)`.
    package var resourceMark: ResourceMark { ResourceMark(count: session.count) }

    /// Collective. Frees the communicators and windows that were made since `mark`. None of them may be used afterwards. For
    /// a program that makes many one after the other, as `runtime-checks` does with its layouts; a run leaves all to
    /// `World.finalize`.
    package func free(since mark: ResourceMark) throws(MPIError) {
        try session.checkIntact()
        try session.free(from: mark.count)
    }

    /// Collective. Returns when every rank has called it (MPI 3.1, section 5.3).
    package func barrier() throws(MPIError) {
        try session.checkIntact()
        try check(MPI_Barrier(handle), "MPI_Barrier")
    }
}

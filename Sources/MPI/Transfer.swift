internal import CMPI

/// A send or receive under way (MPI 3.1, section 3.7). It cannot be copied, and must be waited for: the buffer belongs
/// to MPI until then. For many at a time see `TransferSet`.
///
/// One that is dropped unfinished is cancelled, and every later call of this MPI throws, since its buffer may be gone
/// while a peer still reads it. (A trap would hide the error that made the rank leave early.)
package struct Transfer: ~Copyable {
    private var request: MPI_Request?
    private let isReceive: Bool
    private let session: Session

    init(request: MPI_Request, isReceive: Bool, session: Session) {
        self.request = request
        self.isReceive = isReceive
        self.session = session
    }

    /// Returns when the transfer is done (section 3.7.3).
    package consuming func wait() throws(MPIError) {
        // Whatever comes of it, MPI has taken the request back.
        defer { request = cmpi_request_null() }
        try check(MPI_Wait(&request, cmpi_status_ignore()), "MPI_Wait")
    }

    /// Whether it is done (section 3.7.3); asking also lets MPI make progress. A finished transfer needs no `wait`.
    package mutating func isDone() throws(MPIError) -> Bool {
        var done: Int32 = 0
        try check(MPI_Test(&request, &done, cmpi_status_ignore()), "MPI_Test")
        return done != 0
    }

    deinit {
        guard request != cmpi_request_null() else { return }
        abandon(request, isReceive: isReceive, session: session)
    }
}

/// Gives up a request nobody waits for, without waiting for a peer.
func abandon(_ request: MPI_Request?, isReceive: Bool, session: Session) {
    var request = request
    if isReceive {
        // A cancelled receive completes locally (section 3.8.4), after which MPI no longer writes to the buffer.
        MPI_Cancel(&request)
        MPI_Wait(&request, cmpi_status_ignore())
    } else {
        MPI_Request_free(&request)
    }
    session.breakDown(
        MPIError(
            call: isReceive ? "MPI_Irecv" : "MPI_Isend", code: cmpi_err_request(),
            text: "a \(isReceive ? "receive" : "send") was dropped before it was done; wait for every transfer"))
}

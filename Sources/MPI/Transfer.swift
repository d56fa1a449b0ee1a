internal import CMPI

/// A send or receive under way (MPI 3.1, section 3.7). It cannot be copied, and must be waited for: the buffer belongs
/// to MPI until then. For many at a time see `TransferSet`.
///
/// One that is dropped unfinished is left as it is, and every later call of this MPI throws, since its buffer may be gone
/// while a peer still uses it: such a rank can only end the job. (A trap would hide the error that made it leave early.)
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
        session.breakDown(MPIError.dropped(isReceive ? .receive : .send))
    }
}

/// What a request under way does.
enum TransferKind: String {
    case send, receive, sum
}

extension MPIError {
    /// A transfer whose owner went away before it was done. Nothing is done about it: to cancel or to wait may take a peer
    /// that never comes, and a collective must not be freed at all (MPI 3.1, section 5.12). MPI moves data inside its calls
    /// only, and this rank makes none any more but the one that ends the job.
    static func dropped(_ kind: TransferKind) -> MPIError {
        let call =
            switch kind {
            case .send: "MPI_Isend"
            case .receive: "MPI_Irecv"
            case .sum: "MPI_Iallreduce"
            }
        return MPIError(
            call: call, code: cmpi_err_request(),
            text: "a \(kind.rawValue) was dropped before it was done; wait for every transfer")
    }
}

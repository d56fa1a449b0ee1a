internal import CMPI

/// A send or receive under way (MPI 3.1, section 3.7). It cannot be copied, and must be waited for: the buffer belongs
/// to MPI until then. For many at a time see `RequestSet`.
///
/// A request that is dropped before it is done is left as it is, and every later call of this MPI throws, since its buffer
/// may be gone while a peer still uses it. Such a rank can only end the job. (A trap would hide the error that made it leave
/// early.)
package struct Request: ~Copyable {
    private var request: MPI_Request?
    private let isReceive: Bool
    private let session: Session

    init(request: MPI_Request, isReceive: Bool, session: Session) {
        self.request = request
        self.isReceive = isReceive
        self.session = session
    }

    /// Returns when the request is done (section 3.7.3).
    package consuming func wait() throws(MPIError) {
        // Whatever comes of it, MPI has taken the request back.
        defer { request = cmpi_request_null() }
        try check(MPI_Wait(&request, cmpi_status_ignore()), "MPI_Wait")
    }

    /// Whether the request is done (section 3.7.3). Asking also lets MPI make progress. A request that is done needs no
    /// `wait`.
    package mutating func isDone() throws(MPIError) -> Bool {
        var done: Int32 = 0
        try check(MPI_Test(&request, &done, cmpi_status_ignore()), "MPI_Test")
        return done != 0
    }

    deinit {
        guard request != cmpi_request_null() else { return }
        session.markBroken(MPIError.dropped(isReceive ? .receive : .send))
    }
}

/// The operation of a request. Its raw value is the word in messages.
enum RequestKind: String {
    case send, receive
    case allReduce = "sum"
}

extension MPIError {
    /// A request whose owner went away before it was done. Nothing is done about it: to cancel or to wait may take a peer
    /// that never comes, and a collective must not be freed at all (MPI 3.1, section 5.12). MPI moves data inside its calls
    /// only, and this rank makes none any more but the one that ends the job.
    static func dropped(_ kind: RequestKind) -> MPIError {
        let call =
            switch kind {
            case .send: "MPI_Isend"
            case .receive: "MPI_Irecv"
            case .allReduce: "MPI_Iallreduce"
            }
        return MPIError(
            call: call, code: cmpi_err_request(),
            text: "a \(kind.rawValue) was dropped before it was done; wait for every transfer")
    }
}

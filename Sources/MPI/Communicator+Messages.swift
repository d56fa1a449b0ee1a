internal import CMPI

/// Messages from one rank to another (MPI 3.1, chapter 3).
extension Communicator {
    /// Sends, and returns when the buffer may be used again (section 3.2.1).
    package func send<T: MPIElement>(_ buffer: UnsafeBufferPointer<T>, to rank: Int, tag: Int = 0) throws(MPIError) {
        try session.checkIntact()
        let count = try checkedCount(buffer.count, "MPI_Send")
        try check(
            MPI_Send(buffer.baseAddress, count, T.elementKind.datatype, nonNegative(rank), nonNegative(tag), handle),
            "MPI_Send")
    }

    /// Receives one message no longer than the buffer (section 3.2.4).
    /// - Returns: elements received.
    /// - Throws: `MPIError`, also for a message longer than the buffer (truncation).
    @discardableResult
    package func receive<T: MPIElement>(
        into buffer: UnsafeMutableBufferPointer<T>, from rank: Int, tag: Int = 0
    ) throws(MPIError) -> Int {
        try session.checkIntact()
        let count = try checkedCount(buffer.count, "MPI_Recv")
        var status = MPI_Status()
        try check(
            MPI_Recv(
                buffer.baseAddress, count, T.elementKind.datatype, nonNegative(rank), nonNegative(tag), handle, &status),
            "MPI_Recv")
        var received: Int32 = 0
        try check(MPI_Get_count(&status, T.elementKind.datatype, &received), "MPI_Get_count")
        return Int(received)
    }

    /// Sends to one rank and receives from another, in whichever order does not block (section 3.10).
    /// - Returns: elements received.
    @discardableResult
    package func sendReceive<T: MPIElement>(
        _ outgoing: UnsafeBufferPointer<T>, to destination: Int, into incoming: UnsafeMutableBufferPointer<T>,
        from source: Int, tag: Int = 0
    ) throws(MPIError) -> Int {
        try session.checkIntact()
        let sent = try checkedCount(outgoing.count, "MPI_Sendrecv")
        let wanted = try checkedCount(incoming.count, "MPI_Sendrecv")
        let type = T.elementKind.datatype
        var status = MPI_Status()
        try check(
            MPI_Sendrecv(
                outgoing.baseAddress, sent, type, nonNegative(destination), nonNegative(tag),
                incoming.baseAddress, wanted, type, nonNegative(source), nonNegative(tag), handle, &status),
            "MPI_Sendrecv")
        var received: Int32 = 0
        try check(MPI_Get_count(&status, type, &received), "MPI_Get_count")
        return Int(received)
    }

    /// Starts a send (section 3.7.2). The buffer must live, unchanged, until the request is done.
    package func startSend<T: MPIElement>(
        _ buffer: UnsafeBufferPointer<T>, to rank: Int, tag: Int = 0
    ) throws(MPIError) -> Request {
        Request(
            request: try sendRequest(UnsafeRawBufferPointer(buffer), buffer.count, T.elementKind, rank, tag),
            isReceive: false, session: session)
    }

    /// Starts a receive (section 3.7.2). The buffer must live, untouched, until the request is done.
    package func startReceive<T: MPIElement>(
        into buffer: UnsafeMutableBufferPointer<T>, from rank: Int, tag: Int = 0
    ) throws(MPIError) -> Request {
        Request(
            request: try receiveRequest(UnsafeMutableRawBufferPointer(buffer), buffer.count, T.elementKind, rank, tag),
            isReceive: true, session: session)
    }

    /// Whether a message of this rank and tag has arrived and can be received without waiting (section 3.8.1).
    package func hasMessage(from rank: Int, tag: Int = 0) throws(MPIError) -> Bool {
        try session.checkIntact()
        var found: Int32 = 0
        try check(
            MPI_Iprobe(nonNegative(rank), nonNegative(tag), handle, &found, cmpi_status_ignore()), "MPI_Iprobe")
        return found != 0
    }

    func sendRequest(
        _ bytes: UnsafeRawBufferPointer, _ count: Int, _ kind: ElementKind, _ rank: Int, _ tag: Int
    ) throws(MPIError) -> MPI_Request {
        try session.checkIntact()
        let count = try checkedCount(count, "MPI_Isend")
        var request: MPI_Request? = cmpi_request_null()
        try check(
            MPI_Isend(bytes.baseAddress, count, kind.datatype, nonNegative(rank), nonNegative(tag), handle, &request),
            "MPI_Isend")
        return request ?? cmpi_request_null()
    }

    func receiveRequest(
        _ bytes: UnsafeMutableRawBufferPointer, _ count: Int, _ kind: ElementKind, _ rank: Int, _ tag: Int
    ) throws(MPIError) -> MPI_Request {
        try session.checkIntact()
        let count = try checkedCount(count, "MPI_Irecv")
        var request: MPI_Request? = cmpi_request_null()
        try check(
            MPI_Irecv(bytes.baseAddress, count, kind.datatype, nonNegative(rank), nonNegative(tag), handle, &request),
            "MPI_Irecv")
        return request ?? cmpi_request_null()
    }
}

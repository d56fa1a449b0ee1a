internal import CMPI

/// Sends, receives and all-reduces under way, many at a time, in one block of requests (MPI 3.1, section 3.7.5). The block
/// grows only if more are pending than ever before.
///
/// Each start gives a ticket. Waiting on a ticket whose request is done costs nothing, however long ago that was. Dropping a
/// set that still has pending requests counts as dropping each of them: see `Request`.
package final class RequestSet {
    /// Names one started request of this set.
    package struct Ticket: Hashable, Sendable {
        fileprivate let slot: Int32
        fileprivate let generation: Int32
    }

    /// Requests started and not yet known to be done.
    package private(set) var pending = 0

    private let communicator: Communicator
    /// One a slot. Requests are handles: a growing array may move them while the messages go on.
    private var requests: [MPI_Request?] = []
    /// One a slot: odd while the slot is occupied. A ticket of an older generation is done.
    private var generations: [Int32] = []
    /// One a slot.
    private var kinds: [RequestKind] = []
    /// The free slots, the next one last.
    private var free: [Int32] = []
    /// The slots whose requests are done, written by `MPI_Testsome`.
    private var finished: [Int32] = []

    package init(_ communicator: Communicator, capacity: Int = 64) {
        self.communicator = communicator
        grow(to: max(1, capacity))
    }

    deinit {
        if let slot = requests.firstIndex(where: { $0 != cmpi_request_null() }) {
            communicator.session.markBroken(MPIError.dropped(kinds[slot]))
        }
    }

    /// Starts a send. The buffer must live, unchanged, until the request is done.
    @discardableResult
    package func startSend<T: MPIElement>(
        _ buffer: UnsafeBufferPointer<T>, to rank: Int, tag: Int = 0
    ) throws(MPIError) -> Ticket {
        let request = try communicator.sendRequest(
            UnsafeRawBufferPointer(buffer), buffer.count, T.elementKind, rank, tag)
        return add(request, .send)
    }

    /// Starts a receive. The buffer must live, untouched, until the request is done.
    @discardableResult
    package func startReceive<T: MPIElement>(
        into buffer: UnsafeMutableBufferPointer<T>, from rank: Int, tag: Int = 0
    ) throws(MPIError) -> Ticket {
        let request = try communicator.receiveRequest(
            UnsafeMutableRawBufferPointer(buffer), buffer.count, T.elementKind, rank, tag)
        return add(request, .receive)
    }

    /// Starts summing `buffer` over the ranks of the communicator, in place (section 5.12.8, `MPI_Iallreduce`). Collective:
    /// every rank starts its sums in the same order. The buffer must live, untouched, until the request is done.
    @discardableResult
    package func startAllReduce<T: MPIElement>(_ buffer: UnsafeMutableBufferPointer<T>) throws(MPIError) -> Ticket {
        try communicator.session.checkIntact()
        let count = try checkedCount(buffer.count, "MPI_Iallreduce")
        var request: MPI_Request? = cmpi_request_null()
        try check(
            MPI_Iallreduce(
                cmpi_in_place(), buffer.baseAddress, count, T.elementKind.datatype, Reduction.sum.operation,
                communicator.handle, &request), "MPI_Iallreduce")
        return add(request ?? cmpi_request_null(), .allReduce)
    }

    /// Returns when the ticket's request is done.
    package func wait(_ ticket: Ticket) throws(MPIError) {
        guard isPending(ticket) else { return }
        let slot = Int(ticket.slot)
        let code = MPI_Wait(&requests[slot], cmpi_status_ignore())
        release(slot)
        try check(code, "MPI_Wait")
    }

    /// Whether the ticket's request is done. Asking also lets MPI make progress.
    package func isDone(_ ticket: Ticket) throws(MPIError) -> Bool {
        guard isPending(ticket) else { return true }
        let slot = Int(ticket.slot)
        var done: Int32 = 0
        let code = MPI_Test(&requests[slot], &done, cmpi_status_ignore())
        if done != 0 || code != cmpi_success() { release(slot) }
        try check(code, "MPI_Test")
        return done != 0
    }

    /// Returns when every request of the set is done.
    package func waitAll() throws(MPIError) {
        guard pending > 0 else { return }
        let code = MPI_Waitall(Int32(clamping: requests.count), &requests, cmpi_statuses_ignore())
        for slot in requests.indices where isOccupied(slot) { release(slot) }
        try check(code, "MPI_Waitall")
    }

    /// Lets MPI make progress without waiting.
    /// - Returns: whether every request of the set is done.
    @discardableResult
    package func progress() throws(MPIError) -> Bool {
        guard pending > 0 else { return true }
        var count: Int32 = 0
        try check(
            MPI_Testsome(Int32(clamping: requests.count), &requests, &count, &finished, cmpi_statuses_ignore()),
            "MPI_Testsome")
        // A negative count, `MPI_UNDEFINED`, says that no request was active.
        for index in 0..<Int(max(0, count)) { release(Int(finished[index])) }
        return pending == 0
    }

    // MARK: - Slots

    private func isOccupied(_ slot: Int) -> Bool { generations[slot] & 1 == 1 }

    private func isPending(_ ticket: Ticket) -> Bool {
        generations[Int(ticket.slot)] == ticket.generation
    }

    private func add(_ request: MPI_Request, _ kind: RequestKind) -> Ticket {
        if free.isEmpty { grow(to: 2 * requests.count) }
        let slot = Int(free.removeLast())
        pending += 1
        requests[slot] = request
        kinds[slot] = kind
        generations[slot] &+= 1
        return Ticket(slot: Int32(slot), generation: generations[slot])
    }

    private func release(_ slot: Int) {
        requests[slot] = cmpi_request_null()
        generations[slot] &+= 1
        pending -= 1
        free.append(Int32(slot))
    }

    private func grow(to capacity: Int) {
        let added = capacity - requests.count
        free.append(contentsOf: (requests.count..<capacity).reversed().map { Int32($0) })
        requests.append(contentsOf: repeatElement(cmpi_request_null(), count: added))
        generations.append(contentsOf: repeatElement(0, count: added))
        kinds.append(contentsOf: repeatElement(.send, count: added))
        finished.append(contentsOf: repeatElement(0, count: added))
    }
}

internal import CMPI

/// Sends and receives under way, many at a time, in one block of requests that is allocated once
/// (MPI 3.1, section 3.7.5). It grows only if more are pending than ever before.
///
/// Each start gives a ticket; waiting on a ticket whose transfer is done costs nothing, however long ago that was.
/// Dropping a set that still has pending transfers counts as dropping each of them: see `Transfer`.
package final class TransferSet {
    /// Names one started transfer of this set.
    package struct Ticket: Hashable, Sendable {
        fileprivate let slot: Int32
        fileprivate let generation: Int32
    }

    /// Transfers started and not yet known to be done.
    package private(set) var pending = 0

    private let communicator: Communicator
    private var capacity: Int
    private var requests: UnsafeMutablePointer<MPI_Request?>
    /// What runs in each slot; a ticket of an older generation is done.
    private var generations: UnsafeMutablePointer<Int32>
    private var kinds: UnsafeMutablePointer<TransferKind>
    /// A stack of free slots, `capacity − pending` deep.
    private var free: UnsafeMutablePointer<Int32>
    /// Where `MPI_Testsome` writes.
    private var finished: UnsafeMutablePointer<Int32>

    package init(_ communicator: Communicator, capacity: Int = 64) {
        self.communicator = communicator
        self.capacity = max(1, capacity)
        requests = .allocate(capacity: self.capacity)
        generations = .allocate(capacity: self.capacity)
        kinds = .allocate(capacity: self.capacity)
        free = .allocate(capacity: self.capacity)
        finished = .allocate(capacity: self.capacity)
        initializeSlots(from: 0)
        for slot in 0..<self.capacity { free[slot] = Int32(self.capacity - 1 - slot) }
    }

    deinit {
        if let slot = (0..<capacity).first(where: { requests[$0] != cmpi_request_null() }) {
            communicator.session.breakDown(MPIError.dropped(kinds[slot]))
        }
        requests.deallocate()
        generations.deallocate()
        kinds.deallocate()
        free.deallocate()
        finished.deallocate()
    }

    /// Starts a send. The buffer must live, unchanged, until the transfer is done.
    @discardableResult
    package func startSend<T: MPIElement>(
        _ buffer: UnsafeBufferPointer<T>, to rank: Int, tag: Int = 0
    ) throws(MPIError) -> Ticket {
        let request = try communicator.sendRequest(
            UnsafeRawBufferPointer(buffer), buffer.count, T.elementKind, rank, tag)
        return add(request, .send)
    }

    /// Starts a receive. The buffer must live, untouched, until the transfer is done.
    @discardableResult
    package func startReceive<T: MPIElement>(
        into buffer: UnsafeMutableBufferPointer<T>, from rank: Int, tag: Int = 0
    ) throws(MPIError) -> Ticket {
        let request = try communicator.receiveRequest(
            UnsafeMutableRawBufferPointer(buffer), buffer.count, T.elementKind, rank, tag)
        return add(request, .receive)
    }

    /// Starts summing `buffer` over the ranks of the communicator, in place (section 5.12.8, `MPI_Iallreduce`). Collective:
    /// every rank starts its sums in the same order. The buffer must live, untouched, until the transfer is done.
    @discardableResult
    package func startSum<T: MPIElement>(_ buffer: UnsafeMutableBufferPointer<T>) throws(MPIError) -> Ticket {
        try communicator.session.checkIntact()
        let count = try checkedCount(buffer.count, "MPI_Iallreduce")
        var request: MPI_Request? = cmpi_request_null()
        try check(
            MPI_Iallreduce(
                cmpi_in_place(), buffer.baseAddress, count, T.elementKind.datatype, Reduction.sum.operation,
                communicator.handle, &request), "MPI_Iallreduce")
        return add(request ?? cmpi_request_null(), .sum)
    }

    /// Returns when the ticket's transfer is done.
    package func wait(_ ticket: Ticket) throws(MPIError) {
        guard isPending(ticket) else { return }
        let slot = Int(ticket.slot)
        let code = MPI_Wait(requests + slot, cmpi_status_ignore())
        release(slot)
        try check(code, "MPI_Wait")
    }

    /// Whether the ticket's transfer is done; asking also lets MPI make progress.
    package func isDone(_ ticket: Ticket) throws(MPIError) -> Bool {
        guard isPending(ticket) else { return true }
        let slot = Int(ticket.slot)
        var done: Int32 = 0
        let code = MPI_Test(requests + slot, &done, cmpi_status_ignore())
        if done != 0 || code != cmpi_success() { release(slot) }
        try check(code, "MPI_Test")
        return done != 0
    }

    /// Returns when every transfer of the set is done.
    package func waitAll() throws(MPIError) {
        guard pending > 0 else { return }
        let code = MPI_Waitall(Int32(clamping: capacity), requests, cmpi_statuses_ignore())
        for slot in 0..<capacity where isOccupied(slot) { release(slot) }
        try check(code, "MPI_Waitall")
    }

    /// Lets MPI make progress without waiting.
    /// - Returns: whether every transfer of the set is done.
    @discardableResult
    package func progress() throws(MPIError) -> Bool {
        guard pending > 0 else { return true }
        var count: Int32 = 0
        try check(
            MPI_Testsome(Int32(clamping: capacity), requests, &count, finished, cmpi_statuses_ignore()),
            "MPI_Testsome")
        // A negative count, `MPI_UNDEFINED`, says that no request was active.
        for index in 0..<Int(max(0, count)) { release(Int(finished[index])) }
        return pending == 0
    }

    // MARK: - Slots

    /// An occupied slot has an odd generation, a free one an even.
    private func isOccupied(_ slot: Int) -> Bool { generations[slot] & 1 == 1 }

    private func isPending(_ ticket: Ticket) -> Bool {
        generations[Int(ticket.slot)] == ticket.generation
    }

    private func add(_ request: MPI_Request, _ kind: TransferKind) -> Ticket {
        if pending == capacity { grow() }
        let slot = Int(free[capacity - pending - 1])
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
        free[capacity - pending - 1] = Int32(slot)
    }

    private func initializeSlots(from first: Int) {
        for slot in first..<capacity {
            (requests + slot).initialize(to: cmpi_request_null())
            (generations + slot).initialize(to: 0)
            (kinds + slot).initialize(to: .send)
            (free + slot).initialize(to: 0)
            (finished + slot).initialize(to: 0)
        }
    }

    /// Doubles the block. Requests are handles: moving them is allowed, the transfers go on.
    private func grow() {
        let old = capacity
        capacity = 2 * old
        requests = moved(requests, old)
        generations = moved(generations, old)
        kinds = moved(kinds, old)
        free = moved(free, old)
        finished = moved(finished, old)
        initializeSlots(from: old)
        for index in 0..<old { free[index] = Int32(capacity - 1 - index) }
    }

    private func moved<T>(_ memory: UnsafeMutablePointer<T>, _ old: Int) -> UnsafeMutablePointer<T> {
        let bigger = UnsafeMutablePointer<T>.allocate(capacity: capacity)
        bigger.moveInitialize(from: memory, count: old)
        memory.deallocate()
        return bigger
    }
}

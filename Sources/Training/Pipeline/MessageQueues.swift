internal import MPI
internal import Schedules
internal import Tensors

/// The receives of one rank in the order it needs them. A few are posted ahead of their turn.
struct ReceiveQueue {
    private let transfers: [Transfer]
    private let ahead: Int
    private let set: RequestSet
    private var posted = 0
    private var taken = 0
    /// The receives that are posted and not yet taken: `posted − taken` entries in a ring of `ahead`.
    private var tickets: [(ticket: RequestSet.Ticket, buffer: Matrix)?]

    init(transfers: [Transfer], ahead: Int, communicator: Communicator) {
        self.transfers = transfers
        self.ahead = ahead
        set = RequestSet(communicator, capacity: ahead)
        tickets = Array(repeating: nil, count: ahead)
    }

    /// Begins the list anew for the next step. Every receive of the last step has been taken.
    mutating func restart() {
        posted = 0
        taken = 0
    }

    /// Posts receives until `ahead` of them wait for their messages or the list ends.
    mutating func postAhead(pool: BoundaryPool) throws(MPIError) {
        while posted < transfers.count, posted - taken < ahead {
            let transfer = transfers[posted]
            let buffer = pool.take()
            let ticket = try set.startReceive(
                into: buffer.numbers, from: Int(transfer.peer), tag: Int(transfer.tag))
            tickets[posted % ahead] = (ticket, buffer)
            posted += 1
        }
    }

    /// Waits for the next message of the list and returns its tensor.
    mutating func waitForNext() throws(MPIError) -> Matrix {
        guard let (ticket, buffer) = tickets[taken % ahead] else {
            preconditionFailure("a receive was taken before it was posted")
        }
        try set.wait(ticket)
        taken += 1
        return buffer
    }
}

/// The sends under way and the buffers they read from.
struct SendQueue {
    private let set: RequestSet
    private var underway: [(ticket: RequestSet.Ticket, buffer: Matrix)] = []

    init(communicator: Communicator) { set = RequestSet(communicator, capacity: 16) }

    /// Starts a send; the buffer goes back to `pool` once the message is gone.
    mutating func start(
        _ buffer: Matrix, _ transfer: Transfer, pool: BoundaryPool
    ) throws(MPIError) {
        try reclaim(pool: pool)
        let ticket = try set.startSend(
            UnsafeBufferPointer(buffer.numbers), to: Int(transfer.peer), tag: Int(transfer.tag))
        underway.append((ticket, buffer))
    }

    /// Gives back the buffers of finished sends without waiting.
    mutating func reclaim(pool: BoundaryPool) throws(MPIError) {
        var kept = 0
        for index in underway.indices {
            if try set.isDone(underway[index].ticket) {
                pool.giveBack(underway[index].buffer)
            } else {
                underway[kept] = underway[index]
                kept += 1
            }
        }
        underway.removeLast(underway.count - kept)
    }

    /// Waits for every send.
    mutating func waitForAll(pool: BoundaryPool) throws(MPIError) {
        try set.waitAll()
        for (_, buffer) in underway { pool.giveBack(buffer) }
        underway.removeAll(keepingCapacity: true)
    }
}

internal import MPI

/// Blocking messages: round a ring and to oneself.
func checkMessages(_ world: Communicator, _ checks: inout Checks) throws {
    let next = (world.rank + 1) % world.size
    let previous = (world.rank + world.size - 1) % world.size

    // Even ranks send first; with an odd size the last one's neighbours still sort themselves out, one after the other.
    if world.size > 1 {
        let sent = [Double(world.rank), 0.5]
        let got: [Double]
        if world.rank % 2 == 0 {
            try world.send(sent, to: next, tag: 3)
            got = try world.receive(count: 2, from: previous, tag: 3)
        } else {
            got = try world.receive(count: 2, from: previous, tag: 3)
            try world.send(sent, to: next, tag: 3)
        }
        checks.equal(got, [Double(previous), 0.5], "ring")
    }

    // A message shorter than the buffer gives its own length.
    let short: [Int32] = try exchange(world, [7, 8], to: next, from: previous, room: 5)
    checks.equal(short, [7, 8], "short message")

    // Large enough to leave the eager path of every transport.
    let count = 300_000
    let large = [Float](repeating: Float(world.rank + 1), count: count)
    let got = try exchange(world, large, to: next, from: previous, room: count)
    checks.holds(got.count == count && got.allSatisfy { $0 == Float(previous + 1) }, "large message")
}

private func exchange<T: MPIElement>(
    _ world: Communicator, _ values: [T], to next: Int, from previous: Int, room: Int
) throws -> [T] {
    var incoming = [T](repeating: .zero, count: room)
    let received = try values.withUnsafeBufferPointer { outgoing in
        try incoming.withUnsafeMutableBufferPointer { buffer in
            try world.sendReceive(outgoing, to: next, into: buffer, from: previous, tag: 9)
        }
    }
    return Array(incoming.prefix(received))
}

/// Non-blocking messages round a ring, waited for and asked about.
func checkRequests(_ world: Communicator, _ checks: inout Checks) throws {
    let next = (world.rank + 1) % world.size
    let previous = (world.rank + world.size - 1) % world.size
    let count = 100_000
    let outgoing = UnsafeMutableBufferPointer<Int64>.allocate(capacity: count)
    let incoming = UnsafeMutableBufferPointer<Int64>.allocate(capacity: count)
    defer {
        outgoing.deallocate()
        incoming.deallocate()
    }
    outgoing.initialize(repeating: Int64(world.rank) << 40)
    incoming.initialize(repeating: -1)

    let receive = try world.startReceive(into: incoming, from: previous, tag: 5)
    let send = try world.startSend(UnsafeBufferPointer(outgoing), to: next, tag: 5)
    try receive.wait()
    try send.wait()
    checks.holds(incoming.allSatisfy { $0 == Int64(previous) << 40 }, "non-blocking ring, waited for")

    incoming.initialize(repeating: -1)
    var again = try world.startReceive(into: incoming, from: previous, tag: 6)
    checks.holds(try !again.isDone() || world.size > 1, "nothing arrives before it is sent")
    var sendAgain = try world.startSend(UnsafeBufferPointer(outgoing), to: next, tag: 6)
    var done = (false, false)
    while !(done.0 && done.1) { done = (try again.isDone(), try sendAgain.isDone()) }
    checks.holds(incoming.allSatisfy { $0 == Int64(previous) << 40 }, "non-blocking ring, asked about")

    // A message is seen before it is received, and not after.
    let sent = try world.startSend(UnsafeBufferPointer(rebasing: outgoing[0..<1]), to: next, tag: 70)
    while try !world.hasMessage(from: previous, tag: 70) {}
    let probed: [Int64] = try world.receive(count: 1, from: previous, tag: 70)
    try sent.wait()
    checks.equal(probed, [Int64(previous) << 40], "probed message")
    checks.holds(try !world.hasMessage(from: previous, tag: 70), "no message is left")
}

/// Many requests at a time: order, growth, reuse of slots, old tickets.
func checkRequestSet(_ world: Communicator, _ checks: inout Checks) throws {
    let next = (world.rank + 1) % world.size
    let previous = (world.rank + world.size - 1) % world.size
    let messages = 20
    let length = 5_000
    let outgoing = UnsafeMutableBufferPointer<Float>.allocate(capacity: messages * length)
    let incoming = UnsafeMutableBufferPointer<Float>.allocate(capacity: messages * length)
    defer {
        outgoing.deallocate()
        incoming.deallocate()
    }
    func part(_ buffer: UnsafeMutableBufferPointer<Float>, _ index: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: buffer[index * length..<(index + 1) * length])
    }
    func expected(_ round: Int, _ index: Int) -> Float { Float(1000 * previous + 100 * round + index) }

    let sends = RequestSet(world, capacity: 4)
    let receives = RequestSet(world, capacity: 2)
    var old: RequestSet.Ticket?
    for round in 0..<4 {
        incoming.initialize(repeating: -1)
        var tickets: [RequestSet.Ticket] = []
        for index in 0..<messages {
            tickets.append(try receives.startReceive(into: part(incoming, index), from: previous, tag: index))
        }
        checks.equal(receives.pending, messages, "receives pending")
        for index in 0..<messages {
            part(outgoing, index).initialize(repeating: Float(1000 * world.rank + 100 * round + index))
            try sends.startSend(UnsafeBufferPointer(part(outgoing, index)), to: next, tag: index)
        }
        if let old { checks.holds(try receives.isDone(old), "a ticket of the round before is done") }
        // Every way of finishing has its round: by ticket from last to first, by asking, all together, by progress.
        switch round {
        case 0: for ticket in tickets.reversed() { try receives.wait(ticket) }
        case 1: for ticket in tickets { while try !receives.isDone(ticket) {} }
        case 2: try receives.waitAll()
        default: while try !receives.progress() {}
        }
        checks.equal(receives.pending, 0, "receives pending after round \(round)")
        for index in 0..<messages {
            checks.holds(part(incoming, index).allSatisfy { $0 == expected(round, index) }, "round \(round) \(index)")
        }
        try receives.wait(tickets[3])
        old = tickets[3]
        try sends.waitAll()
        checks.equal(sends.pending, 0, "sends pending after round \(round)")
    }
    try sends.waitAll()
    checks.holds(try sends.progress(), "an empty set is done")
}

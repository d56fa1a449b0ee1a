internal import MPI

/// Mistakes that are thrown, with the call's name and a text; the communicator works on afterwards.
func checkErrors(_ world: Communicator, _ checks: inout Checks) throws {
    let size = world.size
    checks.throwsError(of: "MPI_Send", saying: "rank") { try world.send([1.0], to: size) }
    checks.throwsError(of: "MPI_Send", saying: "rank") { try world.send([1.0], to: -1) }
    checks.throwsError(of: "MPI_Send", saying: "tag") { try world.send([1.0], to: 0, tag: -1) }
    checks.throwsError(of: "MPI_Recv", saying: "rank") { _ = try world.receive(Float.self, count: 1, from: size) }
    checks.throwsError(of: "MPI_Iprobe", saying: "rank") { _ = try world.hasMessage(from: size) }
    checks.throwsError(of: "MPI_Bcast", saying: "root") { _ = try world.broadcast(Int32(1), from: size) }
    checks.throwsError(of: "MPI_Gatherv", saying: "root") { _ = try world.gather([1], to: -1) }
    checks.throwsError(of: "MPI_Comm_split", saying: "argument") { _ = try world.split(color: -1, key: 0) }

    var byte: UInt8 = 1
    withUnsafeMutablePointer(to: &byte) { pointer in
        // Refused before the memory is looked at.
        let huge = UnsafeMutableBufferPointer(start: pointer, count: Int(Int32.max) + 1)
        checks.throwsError(of: "MPI_Allreduce", saying: "2147483648 elements") { try world.allReduceInPlace(huge) }
        checks.throwsError(of: "MPI_Irecv", saying: "in parts") {
            try world.startReceive(into: huge, from: 0).wait()
        }
        let one = UnsafeMutableBufferPointer(start: pointer, count: 1)
        checks.throwsError(of: "MPI_Allgather", saying: "buffer of 1") {
            try world.allGather(UnsafeBufferPointer(start: pointer, count: 2), into: one)
        }
        checks.throwsError(of: "MPI_Isend", saying: "rank") {
            try world.startSend(UnsafeBufferPointer(one), to: size).wait()
        }
        let set = RequestSet(world)
        checks.throwsError(of: "MPI_Irecv", saying: "rank") { try set.startReceive(into: one, from: size) }
        checks.equal(set.pending, 0, "a request that did not start is not pending")
    }
    if size > 1 {
        checks.throwsError(of: "MPI_Reduce_scatter_block", saying: "ranks into a buffer") {
            _ = try world.reduceScatter([Float](repeating: 0, count: 2 * size + 1))
        }
    }

    // A message that does not fit throws where it is received.
    if world.rank == 0 {
        let send = try [Int32(1), 2, 3].withUnsafeBufferPointer { buffer in
            // The message is short: MPI has it before the buffer ends, and it is received by this rank itself.
            let request = try world.startSend(buffer, to: 0, tag: 11)
            checks.throwsError(of: "MPI_Recv", saying: "truncated") {
                _ = try world.receive(Int32.self, count: 2, from: 0, tag: 11)
            }
            return try finished(request)
        }
        checks.holds(send, "the send of a truncated message ends")
    }
    try world.barrier()
}

private func finished(_ request: consuming Request) throws -> Bool {
    try request.wait()
    return true
}

/// The last rank goes away, as `end` says, while the others wait for a message that never comes.
func loseLastRank(_ world: Communicator, end: () throws -> Void) throws {
    try world.barrier()
    if world.rank == world.size - 1 { try end() }
    _ = try world.receive(Float.self, count: 1, from: world.size - 1)
}

/// Leaves a receive unfinished: every later call must throw, and the job must not end well.
func dropRequest(_ world: Communicator) throws {
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 1)
    do {
        _ = try world.startReceive(into: buffer, from: world.rank, tag: 13)
    }
    buffer.deallocate()
    do {
        try world.barrier()
    } catch {
        throw Broken(description: "later call: \(error)")
    }
    print("a call after a dropped request went well")
}

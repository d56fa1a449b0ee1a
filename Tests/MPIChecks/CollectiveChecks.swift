internal import MPI

/// Broadcast, all-reduce and reduce-scatter, with their in-place forms.
func checkReductions(_ world: Communicator, _ checks: inout Checks) throws {
    let size = world.size
    let rank = world.rank
    let triangle = size * (size - 1) / 2

    for root in 0..<size {
        checks.equal(try world.broadcast(Int64(rank * 7), from: root), Int64(root * 7), "broadcast of a number")
        var values = [Double(rank), Double(rank) / 2]
        try world.broadcast(&values, from: root)
        checks.equal(values, [Double(root), Double(root) / 2], "broadcast of an array")
        let bytes = [UInt8](repeating: UInt8(root), count: rank == root ? root + 3 : 0)
        checks.equal(
            try world.broadcast(bytes: bytes, from: root), [UInt8](repeating: UInt8(root), count: root + 3),
            "broadcast of bytes")
    }

    checks.equal(try world.allReduce(Int32(rank)), Int32(triangle), "sum")
    checks.equal(try world.allReduce(Float(rank) - 1, .max), Float(size - 2), "max")
    checks.equal(try world.allReduce(Double(rank) - 1, .min), -1, "min")

    let input = (0..<1000).map { Double($0 * (rank + 1)) }
    let summed = (0..<1000).map { Double($0 * (triangle + size)) }
    var output = [Double](repeating: -1, count: 1000)
    try input.withUnsafeBufferPointer { from in
        try output.withUnsafeMutableBufferPointer { try world.allReduce(from, into: $0) }
    }
    checks.equal(output, summed, "all-reduce")
    checks.equal(input[3], Double(3 * (rank + 1)), "all-reduce leaves its input alone")
    var inPlace = input
    try world.allReduceInPlace(&inPlace)
    checks.equal(inPlace, summed, "all-reduce in place")

    // Element e of the input of rank r is 10·e + r.
    let blocks = (0..<3 * size).map { Int32(10 * $0 + rank) }
    let block = (3 * rank..<3 * rank + 3).map { Int32(10 * $0 * size + triangle) }
    checks.equal(try world.reduceScatter(blocks), block, "reduce-scatter")
    checks.equal(
        try world.reduceScatter(blocks, .max), (3 * rank..<3 * rank + 3).map { Int32(10 * $0 + size - 1) },
        "reduce-scatter of maxima")
    try world.barrier()
}

/// All-gather with its in-place form, gather of bytes, all-to-all.
func checkGathers(_ world: Communicator, _ checks: inout Checks) throws {
    let size = world.size
    let rank = world.rank

    checks.equal(try world.allGather(UInt8(rank + 1)), (1...size).map { UInt8($0) }, "all-gather of a number")
    let gathered = (0..<size).flatMap { [Float($0), Float(-$0)] }
    checks.equal(try world.allGather([Float(rank), Float(-rank)]), gathered, "all-gather of arrays")
    var inPlace = [Float](repeating: -99, count: 2 * size)
    inPlace[2 * rank] = Float(rank)
    inPlace[2 * rank + 1] = Float(-rank)
    try inPlace.withUnsafeMutableBufferPointer { try world.allGatherInPlace($0) }
    checks.equal(inPlace, gathered, "all-gather in place")

    // Rank r gives r bytes, so that rank 0 gives none.
    for root in 0..<size {
        let all = try world.gather([UInt8](repeating: UInt8(10 + rank), count: rank), to: root)
        let wanted = (0..<size).map { [UInt8](repeating: UInt8(10 + $0), count: $0) }
        checks.equal(all, rank == root ? wanted : nil, "gather of bytes")
    }

    // Rank r sends 100·r + s to rank s.
    checks.equal(
        try world.allToAll((0..<size).map { Int64(100 * rank + $0) }), (0..<size).map { Int64(100 * $0 + rank) },
        "all-to-all")

    // Rank r has r rows of two numbers, so that rank 0 has none.
    let counts = (0..<size).map { Int32($0) }
    let rows = (0..<rank).flatMap { [Float(10 * rank + $0), Float(-rank)] }
    let all = (0..<size).flatMap { rank in (0..<rank).flatMap { [Float(10 * rank + $0), Float(-rank)] } }
    var everything = [Float](repeating: 99, count: all.count)
    try everything.withUnsafeMutableBufferPointer { output in
        guard let base = output.baseAddress else { return }
        try world.allGather(rows, counts: counts, into: base, width: 2)
    }
    checks.equal(everything, all, "all-gather of rows")
    var own = [Float](repeating: 99, count: max(rows.count, 1))
    try own.withUnsafeMutableBufferPointer { output in
        guard let base = output.baseAddress else { return }
        try world.reduceScatter(all.map { $0 * Float(rank + 1) }, counts: counts, into: base, width: 2)
    }
    let sum = Float(size * (size + 1) / 2)
    checks.equal(Array(own.prefix(rows.count)), rows.map { $0 * sum }, "reduce-scatter of rows")

    let before = World.wallTime()
    try world.barrier()
    checks.holds(World.wallTime() >= before, "the clock does not run backwards")
}

/// Every element type keeps its extremes through a reduction.
func checkElements(_ world: Communicator, _ checks: inout Checks) throws {
    func keeps<T: MPIElement & Equatable>(_ values: [T], _ checks: inout Checks) throws {
        checks.equal(try world.allReduce(values, .max), values, "\(T.self) through max")
        checks.equal(try world.allGather(values), (0..<world.size).flatMap { _ in values }, "\(T.self) through gather")
    }
    try keeps([Double.greatestFiniteMagnitude, .leastNonzeroMagnitude, -0.1], &checks)
    try keeps([Float.greatestFiniteMagnitude, .leastNormalMagnitude, -0.1], &checks)
    try keeps([Int32.min, .max, -1], &checks)
    try keeps([Int64.min, .max, 1 << 40], &checks)
    try keeps([UInt8.min, .max, 128], &checks)
    try keeps([Float](), &checks)
}

/// Two halves by parity, in reverse order, then nobody but rank 0.
func checkSplit(_ world: Communicator, _ checks: inout Checks) throws {
    let color = world.rank % 2
    let members = (0..<world.size).filter { $0 % 2 == color }
    let half = try world.split(color: color, key: -world.rank)
    checks.equal(half?.size, members.count, "size of a half")
    checks.equal(half?.rank, members.reversed().firstIndex(of: world.rank), "rank in a half")
    checks.equal(
        try half?.allReduce(Int32(world.rank)), members.reduce(0) { $0 + Int32($1) }, "sum over a half")
    checks.equal(try half?.allGather(Int32(world.rank)), members.reversed().map { Int32($0) }, "order in a half")

    let alone = try world.split(color: world.rank == 0 ? 0 : nil, key: 0)
    checks.equal(alone?.size, world.rank == 0 ? 1 : nil, "only rank 0 joined")
    // Made and freed again, many more times than an implementation has identifiers for if none were given back.
    for _ in 0..<100 { _ = try world.split(color: 0, key: 0) }
    try world.barrier()
}

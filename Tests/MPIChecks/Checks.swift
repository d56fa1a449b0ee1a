internal import MPI

/// Counts what held and what did not, on one rank.
struct Checks {
    let rank: Int
    private(set) var held = 0
    private(set) var failures: [String] = []

    init(rank: Int) { self.rank = rank }

    mutating func equal<T: Equatable>(_ got: T, _ wanted: T, _ what: String) {
        if got == wanted { held += 1 } else { failures.append("\(what): \(got), expected \(wanted)") }
    }

    mutating func holds(_ condition: Bool, _ what: String) {
        equal(condition, true, what)
    }

    /// Checks that `body` throws an error of the given call whose text says `part`.
    mutating func throwsError(of call: String, saying part: String, _ body: () throws -> Void) {
        do {
            try body()
            failures.append("\(call): nothing was thrown")
        } catch let error as MPIError {
            equal(error.call, call, "call of the error")
            holds(contains(error.text, part), "'\(error.text)' says '\(part)'")
            holds(error.code != 0, "the error has a code")
        } catch {
            failures.append("\(call): an error of another kind, \(error)")
        }
    }
}

/// Whether `part` occurs in `text`, without the case (Foundation is not linked here).
func contains(_ text: String, _ part: String) -> Bool {
    let text = Array(text.lowercased().utf8)
    let part = Array(part.lowercased().utf8)
    guard part.count <= text.count else { return false }
    return (0...(text.count - part.count)).contains { text[$0..<$0 + part.count].elementsEqual(part) }
}

/// Runs all checks and adds the ranks' counts up.
func runEveryCheck(_ world: Communicator) throws {
    var checks = Checks(rank: world.rank)
    try checkMessages(world, &checks)
    try checkRequests(world, &checks)
    try checkRequestSet(world, &checks)
    try checkReductions(world, &checks)
    try checkGathers(world, &checks)
    try checkElements(world, &checks)
    try checkSplit(world, &checks)
    try checkErrors(world, &checks)

    for failure in checks.failures { print("rank \(world.rank): \(failure)") }
    let failed = try world.allReduce(Int32(checks.failures.count))
    let held = try world.allReduce(Int32(checks.held))
    if world.rank == 0 { print("mpi-checks: \(held) held, \(failed) failed on \(world.size) ranks") }
    try world.barrier()
    if failed > 0 { throw Broken(description: "\(failed) checks failed") }
}

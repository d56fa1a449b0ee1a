/// Trains tiny models under many layouts inside one MPI job and compares each with one process alone.
///
///     mpirun -n 8 --oversubscribe runtime-checks [PART OF A NAME]
///
/// Prints a line a layout and exits 0 if all agree. Started once for all layouts: starting MPI takes longer than a run.
internal import MPI

let filter = CommandLine.arguments.dropFirst().first ?? ""
let code = runRank(program: "runtime-checks") { world in
    let checks = try LayoutChecks(world: world.communicator)
    let failures = try checks.run(LayoutCase.all.filter { filter.isEmpty || $0.name.contains(filter) })
    if failures > 0 { throw ChecksFailed(count: failures) }
}
exitProgram(code)

struct ChecksFailed: Error, CustomStringConvertible {
    let count: Int
    var description: String { "\(count) layouts differ from one process" }
}

/// Trains tiny models under many layouts inside one MPI job and compares each with one process alone.
///
///     mpirun -n 8 --oversubscribe runtime-checks [PART OF A NAME]
///     mpirun -n 4 --oversubscribe runtime-checks resume [PART OF A NAME]
///     mpirun -n 4 --oversubscribe runtime-checks flip [PART OF A NAME]
///     mpirun -n 4 --oversubscribe runtime-checks damage [NUMBER]
///
/// `runtime-checks cut FILE` maps a file, cuts it and reads it, which ends the process with a line.
///
/// With `resume` it interrupts runs, and goes on in the same layout (the same to the bit) and in others. With `flip` it turns
/// bits of weights and moments, which the runs have to notice and heal. With `damage` it spoils checkpoints, 40 or as many as
/// are asked for, and goes on.
/// Prints a line a layout and exits 0 if all agree. Started once for all layouts: starting MPI takes longer than a run.
internal import Foundation
internal import MPI
internal import Reading

let filter = CommandLine.arguments.dropFirst().first ?? ""
let code = runRank(program: "runtime-checks") { world in
    if filter == "cut", let path = CommandLine.arguments.dropFirst(2).first {
        MappedFault.endProcess(saying: "runtime-checks: ")
        let file = try MappedFile(path: path)
        guard truncate(path, 0) == 0 else { throw ChecksFailed(count: 0) }
        print(file.withBytes { $0.reduce(0) { $0 &+ Int($1) } })
        return
    }
    let checks = try LayoutChecks(world: world.communicator)
    let part = CommandLine.arguments.dropFirst(2).first ?? ""
    func chosen(_ cases: [ResumeCase]) -> [ResumeCase] {
        cases.filter { part.isEmpty || $0.name.contains(part) }
    }
    if filter == "flip" {
        let failures = try checks.flip(chosen(ResumeCase.same))
        if failures > 0 { throw ChecksFailed(count: failures) }
        return
    }
    if filter == "damage" {
        let names = ["data 2", "tensor 2 sequence tied", "pipeline 2 tied", "data 4 parameters grouped"]
        let failures = try checks.damage(ResumeCase.same.filter { names.contains($0.name) }, times: Int(part) ?? 40)
        if failures > 0 { throw ChecksFailed(count: failures) }
        return
    }
    if filter == "resume" {
        let failures =
            try checks.run(chosen(ResumeCase.same), toTheBit: true)
            + checks.run(chosen(ResumeCase.other), toTheBit: false)
        if failures > 0 { throw ChecksFailed(count: failures) }
        return
    }
    let failures = try checks.run(LayoutCase.all.filter { filter.isEmpty || $0.name.contains(filter) })
    if failures > 0 { throw ChecksFailed(count: failures) }
}
exitProgram(code)

struct ChecksFailed: Error, CustomStringConvertible {
    let count: Int
    var description: String { "\(count) layouts differ from one process" }
}

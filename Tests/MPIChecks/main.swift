// Checks of the MPI binding, run under mpirun with any number of processes:
//   mpi-checks              every call against the values expected on each rank
//   mpi-checks throw        the last rank throws while the others wait for it
//   mpi-checks die          the last rank is killed while the others wait for it
//   mpi-checks throw-all    every rank throws the same error
//   mpi-checks drop         a request is dropped before it is done
//   mpi-checks twice        MPI is started a second time
internal import MPI

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

struct Broken: Error, CustomStringConvertible {
    let description: String
}

func run(_ world: borrowing World) throws {
    switch CommandLine.arguments.dropFirst().first {
    case nil: try runEveryCheck(world.communicator)
    case "throw": try loseLastRank(world.communicator) { throw Broken(description: "the loss is not a number") }
    case "die": try loseLastRank(world.communicator) { kill(getpid(), SIGKILL) }
    case "throw-all": throw Broken(description: "no such file\nanywhere")
    case "drop": try dropRequest(world.communicator)
    case "twice": _ = try World()
    case .some(let other): throw Broken(description: "no check is called '\(other)'")
    }
}

exit(runRank(program: "mpi-checks", exitCode: { $0 is Broken ? 3 : 1 }, run))

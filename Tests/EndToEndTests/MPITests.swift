import Foundation
import Testing

/// The MPI binding, checked by the program `mpi-checks` under mpirun.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct MPITests {
    @Test(arguments: [1, 2, 3, 4])
    func everyCallGivesWhatTheStandardSays(processes: Int) throws {
        let outcome = try BuiltProgram("mpi-checks").run(processes: processes)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.output.contains(" 0 failed on \(processes) ranks"), "\(outcome.everything)")
    }

    /// The others wait for a message that never comes: only the abort ends them.
    @Test(arguments: [2, 4])
    func aRankThatThrowsEndsTheJob(processes: Int) throws {
        let before = segments()
        let outcome = try BuiltProgram("mpi-checks").run(processes: processes, ["throw"])
        #expect(outcome.exitCode == 3, "\(outcome.everything)")
        #expect(
            outcome.errors.split(separator: "\n").filter { $0.hasPrefix("mpi-checks:") }
                == ["mpi-checks: rank \(processes - 1): the loss is not a number"])
        #expect(!outcome.everything.contains("timeout"), "\(outcome.everything)")
        #expect(orphans(of: "mpi-checks").isEmpty)
        #expect(segments().subtracting(before).isEmpty)
    }

    @Test func anErrorOfEveryRankIsToldOnce() throws {
        let outcome = try BuiltProgram("mpi-checks").run(processes: 3, ["throw-all"])
        #expect(outcome.exitCode == 3)
        #expect(
            outcome.errors.split(separator: "\n").filter { $0.hasPrefix("mpi-checks:") }.first
                == "mpi-checks: rank 0: no such file · anywhere")
    }

    @Test func aDroppedTransferIsAnError() throws {
        let outcome = try BuiltProgram("mpi-checks").run(processes: 1, ["drop"])
        #expect(outcome.exitCode == 3, "\(outcome.everything)")
        #expect(outcome.errors.contains("a receive was dropped before it was done"), "\(outcome.everything)")
        #expect(!outcome.output.contains("went well"))
    }

    @Test func startingTwiceIsAnError() throws {
        let outcome = try BuiltProgram("mpi-checks").run(processes: 2, ["twice"])
        #expect(outcome.exitCode == 1, "\(outcome.everything)")
        #expect(outcome.errors.contains("MPI was already started by this process"), "\(outcome.everything)")
    }

    /// Open MPI's shared-memory files.
    private func segments() -> Set<String> {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/dev/shm")) ?? []
        return Set(names.filter { $0.hasPrefix("vader_segment") })
    }

    /// Running processes of this name with no parent left. Zombies do not count: they wait only to be reaped.
    private func orphans(of name: String) -> [String] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.filter { process in
            guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
                stat.contains("(\(name))"), let end = stat.lastIndex(of: ")")
            else { return false }
            let fields = stat[end...].split(separator: " ")
            return fields.count > 2 && fields[1] != "Z" && fields[2] == "1"
        }
    }
}

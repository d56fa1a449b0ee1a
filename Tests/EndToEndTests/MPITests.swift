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
        let outcome = try BuiltProgram("mpi-checks").run(processes: processes, ["throw"])
        #expect(outcome.exitCode == 3, "\(outcome.everything)")
        #expect(
            outcome.errors.split(separator: "\n").filter { $0.hasPrefix("mpi-checks:") }
                == ["mpi-checks: rank \(processes - 1): the loss is not a number"])
        #expect(!outcome.everything.contains("timeout"), "\(outcome.everything)")
        #expect(try isCleanAfterwards())
    }

    @Test func aRankThatIsKilledEndsTheJob() throws {
        let outcome = try BuiltProgram("mpi-checks").run(processes: 3, ["die"])
        #expect(outcome.exitCode != 0, "\(outcome.everything)")
        #expect(!outcome.everything.contains("timeout"), "\(outcome.everything)")
        #expect(try isCleanAfterwards())
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

    /// Whether nothing is left of a job: no running process, no shared-memory file that nobody has open. Other jobs may
    /// run on this machine, and the launcher tidies up a moment after it returns, so this looks a few times.
    private func isCleanAfterwards() throws -> Bool {
        var suspects = leftovers()
        for _ in 0..<20 where !suspects.isEmpty {
            Thread.sleep(forTimeInterval: 0.1)
            suspects.formIntersection(leftovers())
        }
        return suspects.isEmpty
    }

    private func leftovers() -> Set<String> {
        let files = FileManager.default
        let processes = ((try? files.contentsOfDirectory(atPath: "/proc")) ?? []).filter { Int($0) != nil }
        var maps = ""
        var found: Set<String> = []
        for process in processes {
            guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
                let end = stat.lastIndex(of: ")")
            else { continue }
            // After the name: state, parent. Zombies do not count: they wait only to be reaped.
            let fields = stat[end...].split(separator: " ")
            if stat.contains("(mpi-checks)"), fields.count > 2, fields[1] != "Z", fields[2] == "1" {
                found.insert("process \(process)")
            }
            maps += (try? String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8)) ?? ""
        }
        let segments = ((try? files.contentsOfDirectory(atPath: "/dev/shm")) ?? [])
            .filter { $0.hasPrefix("vader_segment") && !existing.contains($0) && !maps.contains($0) }
        return found.union(segments)
    }

    /// Shared-memory files that were there before: somebody else's.
    private let existing = Set((try? FileManager.default.contentsOfDirectory(atPath: "/dev/shm")) ?? [])
}

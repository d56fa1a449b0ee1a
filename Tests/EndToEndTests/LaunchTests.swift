import Foundation
import Testing

/// How `trainyard train` starts a job, and what becomes of one whose launcher or machine fails it.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct LaunchTests {
    private func job(steps: Int = 2) throws -> TrainingJob {
        var shape = TrainingJob.Shape()
        shape.layers = 2
        shape.steps = steps
        shape.layout = ["data: 2"]
        return try TrainingJob(shape)
    }

    /// mpirun's own reason is shown on one line, with the exit code of bad input.
    @Test(
        arguments: [
            ("missing", nil, "unable to open the hostfile"), ("empty", "", "No nodes are available"),
            ("comment", "# nothing\n", "No nodes are available"),
            ("garbage", "\u{1}\u{2}((\u{7}\n", "parse error in the hostfile"),
            ("few", "localhost slots=1\n", "not enough slots"),
        ] as [(String, String?, String)]) func whatIsWrongWithAHostfileIsSaid(
            name: String, text: String?, words: String
        ) throws
    {
        let job = try job()
        if let text { try Data(text.utf8).write(to: job.folder.appending(path: name)) }
        let outcome = try BuiltProgram("trainyard").run(
            ["train", job.plan.path, "--quiet", "--hostfile", name], in: job.folder)
        #expect(outcome.exitCode == 2, "\(outcome.everything)")
        #expect(outcome.errors.hasPrefix("error: --hostfile \(name): mpirun: "), "\(outcome.everything)")
        #expect(outcome.errors.contains(words), "\(outcome.everything)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.everything)")
        // Nothing was trained: no folder is left.
        #expect(!FileManager.default.fileExists(atPath: job.folder.path + "/runs/plan"))
    }

    @Test func aHostThatCannotBeReachedIsNamed() throws {
        let job = try job()
        try Data("nowhere.invalid slots=2\n".utf8).write(to: job.folder.appending(path: "hosts"))
        let outcome = try BuiltProgram("trainyard").run(
            ["train", job.plan.path, "--quiet", "--hostfile", "hosts"], in: job.folder)
        #expect(outcome.exitCode == 1, "\(outcome.everything)")
        #expect(outcome.errors.contains("mpirun: ") && outcome.errors.contains("unable to reliably start"))
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.everything)")
    }

    @Test func drawingsThatCannotBeWrittenAreRefusedBeforeTheRun() throws {
        let job = try job()
        for (flag, path) in [("--svg", "/nowhere/x.svg"), ("--loss-svg", job.folder.path)] {
            let outcome = try BuiltProgram("trainyard").run(["train", job.plan.path, flag, path], in: job.folder)
            #expect(outcome.exitCode == 2 && outcome.errors.contains(path), "\(outcome.everything)")
            #expect(!FileManager.default.fileExists(atPath: job.folder.path + "/runs"))
        }
    }

    /// Nobody can catch SIGKILL: the system tells mpirun, which ends its ranks and tidies up.
    @Test func aKilledLauncherTakesItsRanksAlong() throws {
        let job = try job(steps: TrainingJob.endlessSteps)
        let before = Leftovers.sharedMemory()
        let running = try BuiltProgram("trainyard").start(["train", job.plan.path, "--quiet"], in: job.folder)
        defer { running.terminate() }
        let log = job.folder.appending(path: "runs/plan/log.jsonl")
        _ = try Leftovers.waitForRanks(of: job.plan.path, count: 2, metrics: log)
        kill(running.processIdentifier, SIGKILL)
        for _ in 0..<100 where !Leftovers.ranks(of: job.plan.path).isEmpty { usleep(100_000) }
        #expect(Leftovers.ranks(of: job.plan.path).isEmpty)
        #expect(Leftovers.staying(since: before).isEmpty)
    }

    /// A killed mpirun leaves shared-memory files; the next run of ours removes them, and only them.
    @Test func whatAKilledLauncherLeftIsClearedByTheNextRun() throws {
        let job = try job(steps: TrainingJob.endlessSteps)
        let foreign = "/dev/shm/vader_segment.elsewhere.\(geteuid()).\(UInt32.random(in: 1...UInt32.max)).0"
        #expect(FileManager.default.createFile(atPath: foreign, contents: Data([1])))
        defer { unlink(foreign) }
        let before = Leftovers.sharedMemory()
        let running = try BuiltProgram("trainyard-train").start(
            processes: 2, [job.plan.path, "--quiet", "--log", job.metrics.path], in: job.folder)
        defer { running.terminate() }
        _ = try Leftovers.waitForRanks(of: job.plan.path, count: 2, metrics: job.metrics)
        kill(running.processIdentifier, SIGKILL)
        for _ in 0..<100 where !Leftovers.ranks(of: job.plan.path).isEmpty { usleep(100_000) }
        #expect(Leftovers.ranks(of: job.plan.path).isEmpty)
        try self.job().train(processes: 2)
        #expect(Leftovers.staying(since: before).isEmpty)
        #expect(FileManager.default.fileExists(atPath: foreign))
    }

    /// With hardly any shared memory a note says what to enlarge, and the same is learnt.
    @Test(
        .enabled(if: FullDisk.isPossible, "another /dev/shm takes root and the right to mount"),
        arguments: ["64k", "1m"])
    func littleSharedMemoryIsSaidAndDoneWithout(size: String) throws {
        let job = try job()
        let losses = try job.train(processes: 2).map(\.loss)
        let mpirun = try #require(BuiltProgram.mpirun).path
        let program = try BuiltProgram("trainyard-train").url.path
        let command =
            "mount -t tmpfs -o size=\(size) tmpfs /dev/shm && exec \(mpirun) -q --allow-run-as-root --oversubscribe "
            + "--timeout 60 -n 2 \(program) \(job.plan.path) --quiet --overwrite --log \(job.metrics.path)"
        let outcome = try BuiltProgram.run(
            URL(filePath: "/usr/bin/env"), ["unshare", "-m", "bash", "-c", command], in: job.folder)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.errors.contains("note: /dev/shm has"), "\(outcome.everything)")
        for (here, there) in zip(try job.steps().map(\.loss), losses) { #expect(abs(here - there) < 1e-5 * there) }
    }
}

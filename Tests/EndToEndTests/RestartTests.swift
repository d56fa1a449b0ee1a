import Foundation
import TestSupport
import Testing

/// A run that `trainyard train --restarts` supervises goes on after whatever befalls it.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct RestartTests {
    private func shape(
        _ layout: [String], steps: Int, checkpoint: String, experts: Bool = false
    ) -> TrainingJob.Shape {
        var shape = TrainingJob.Shape()
        // Steps of some milliseconds: a test can step in between two of them.
        (shape.layers, shape.hidden, shape.sequence, shape.steps, shape.layout) = (4, 48, 32, steps, layout)
        shape.train = ["checkpoint: \(checkpoint)"]
        if experts {
            shape.model =
                "{family: llama, layers: 4, hidden: 48, heads: 2, ffn: 64, vocab: 256, sequence: 32, "
                + "moe: {experts: 4, topK: 2, ffn: 32}}"
        }
        return shape
    }

    /// `trainyard train` in the background, with what it says in a file.
    private final class Supervised {
        let process = Process()
        private let job: TrainingJob
        private let errors: URL
        private let output: URL

        init(_ job: TrainingJob, _ arguments: [String]) throws {
            self.job = job
            (errors, output) = (job.folder.appending(path: "errors"), job.folder.appending(path: "output"))
            for file in [errors, output] { try Data().write(to: file) }
            process.executableURL = try BuiltProgram("trainyard").url
            process.arguments = ["train", job.plan.path, "--folder", "run"] + arguments
            process.currentDirectoryURL = job.folder
            process.standardInput = FileHandle.nullDevice
            process.standardError = try FileHandle(forWritingTo: errors)
            process.standardOutput = try FileHandle(forWritingTo: output)
            try process.run()
        }

        deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

        var said: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }
        var printed: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }
        var restarts: Int { said.split(separator: "\n").filter { $0.hasPrefix("restart ") }.count }

        /// Lines of the run's log.
        var steps: Int {
            (try? Data(contentsOf: job.folder.appending(path: "run/log.jsonl")))?.count { $0 == 0x0A } ?? 0
        }

        /// Waits until so many starts have followed a failure and so many steps are logged.
        func wait(restarts: Int, steps: Int) throws {
            for _ in 0..<60_000 {
                if self.restarts >= restarts, self.steps >= steps { return }
                if !process.isRunning { break }
                usleep(2_000)
            }
            Issue.record("the run did not come to step \(steps) after \(restarts) restarts: \(said)")
            throw CocoaError(.fileNoSuchFile)
        }

        /// The processes of the ranks, by rank.
        func ranks(_ count: Int) throws -> [pid_t] {
            for _ in 0..<1000 {
                var found: [Int: pid_t] = [:]
                for process in Leftovers.ranks(of: job.plan.path) {
                    let environment = FileManager.default.contents(atPath: "/proc/\(process)/environ") ?? Data()
                    for word in environment.split(separator: 0) {
                        let text = String(decoding: word, as: UTF8.self)
                        if text.hasPrefix("OMPI_COMM_WORLD_RANK=") {
                            found[Int(text.dropFirst("OMPI_COMM_WORLD_RANK=".count)) ?? -1] = process
                        }
                    }
                }
                if found.count == count { return (0..<count).compactMap { found[$0] } }
                usleep(10_000)
            }
            throw CocoaError(.fileNoSuchFile)
        }

        func end(sourceLocation: SourceLocation = #_sourceLocation) throws -> Int32 {
            try #require(Leftovers.ends(process, withinSeconds: 90), "\(said)", sourceLocation: sourceLocation)
            return process.terminationStatus
        }
    }

    /// The losses of a log, whose steps must be 0, 1, 2 …
    private func losses(_ path: String, in job: TrainingJob) throws -> [Double] {
        let lines = try String(contentsOf: job.folder.appending(path: path), encoding: .utf8).split(separator: "\n")
        let steps = try lines.map { try JSONDecoder().decode(TrainingJob.Step.self, from: Data($0.utf8)) }
        #expect(steps.map(\.step) == Array(0..<steps.count))
        return steps.map(\.loss)
    }

    private func undisturbed(_ job: TrainingJob, processes: Int, _ arguments: [String] = []) throws {
        let outcome = try BuiltProgram("trainyard-train").run(
            processes: processes, [job.plan.path, "--folder", "whole", "--quiet"] + arguments, in: job.folder)
        try #require(outcome.exitCode == 0, "\(outcome.everything)")
    }

    /// A layout whose ranks are killed, and after how many steps.
    struct Kills: CustomTestStringConvertible {
        var layout: [String]
        var after: [Int]
        var experts = false
        var asynchronous = false
        var testDescription: String { layout.joined(separator: ", ") + ", killed after \(after)" }
    }

    /// One is killed before anything is saved.
    @Test(arguments: [
        Kills(layout: ["data: 2"], after: [2, 40, 75]),
        Kills(layout: ["tensor: 2", "sequenceParallel: true"], after: [45]),
        Kills(layout: ["pipeline: 2"], after: [45], asynchronous: true),
        Kills(layout: ["data: 2", "sharding: parameters"], after: [25, 65], asynchronous: true),
        Kills(layout: ["data: 2", "expert: 2"], after: [45], experts: true),
    ]) func aKilledRankIsStartedAgain(kills: Kills) throws {
        let checkpoint = "{every: 10, keep: 2, asynchronous: \(kills.asynchronous)}"
        let job = try TrainingJob(shape(kills.layout, steps: 100, checkpoint: checkpoint, experts: kills.experts))
        try undisturbed(job, processes: 2, ["--save", "whole.safetensors"])
        let before = Leftovers.sharedMemory()
        // A run that is replaced must be replaced once.
        try undisturbed(job, processes: 2, ["--folder", "run", "--steps", "3"])
        let run = try Supervised(
            job, ["--overwrite", "--restarts", "\(kills.after.count)", "--save", "run.safetensors"])
        for (number, steps) in kills.after.enumerated() {
            try run.wait(restarts: number, steps: steps)
            kill(try #require(try run.ranks(2).randomElement()), SIGKILL)
        }
        #expect(try run.end() == 0, "\(run.said)")
        #expect(run.restarts == kills.after.count, "\(run.said)")
        for number in 1...kills.after.count {
            #expect(run.said.contains("restart \(number) of \(kills.after.count): rank "), "\(run.said)")
        }
        #expect(run.said.contains("was ended by signal 9 (Killed), after step "), "\(run.said)")
        #expect(run.said.contains("going on after step "), "\(run.said)")
        #expect(try losses("run/log.jsonl", in: job) == losses("whole/log.jsonl", in: job))
        #expect(
            try Data(contentsOf: job.folder.appending(path: "run.safetensors"))
                == Data(contentsOf: job.folder.appending(path: "whole.safetensors")))
        #expect(run.printed.contains("Loss, 100 steps"), "\(run.printed)")
        #expect(Leftovers.ranks(of: job.plan.path).isEmpty)
        // Once: another program's jobs may take their time.
        if kills.after.count > 2 { #expect(Leftovers.staying(since: before).isEmpty) }
    }

    @Test(arguments: [[0], [1], [0, 1]]) func aStoppedRankIsFoundAndNamed(ranks: [Int]) throws {
        let job = try TrainingJob(shape(["data: 2"], steps: 60, checkpoint: "{every: 10}"))
        try undisturbed(job, processes: 2)
        let run = try Supervised(job, ["--restarts", "1", "--stall-limit", "3", "--quiet"])
        try run.wait(restarts: 0, steps: 25)
        let processes = try run.ranks(2)
        for rank in ranks { kill(processes[rank], SIGSTOP) }
        #expect(try run.end() == 0, "\(run.said)")
        #expect(run.restarts == 1, "\(run.said)")
        for rank in ranks {
            #expect(
                run.said.contains("rank \(rank) on \(ProcessInfo.processInfo.hostName) has not answered for"),
                "\(run.said)")
        }
        if ranks.count == 1 { #expect(!run.said.contains("rank \(1 - ranks[0]) on"), "\(run.said)") }
        #expect(try losses("run/log.jsonl", in: job) == losses("whole/log.jsonl", in: job))
        #expect(Leftovers.ranks(of: job.plan.path).isEmpty)
    }

    /// Without a launcher of ours a stopped rank is found, too.
    @Test func aStoppedRankEndsAJobOfMpirun() throws {
        let job = try TrainingJob(
            shape(["pipeline: 2"], steps: TrainingJob.endlessSteps, checkpoint: "{every: 1000000}"))
        let (plan, metrics) = (job.plan.path, job.metrics)
        let stopper = Thread {
            guard let ranks = try? Leftovers.waitForRanks(of: plan, count: 2, metrics: metrics) else {
                return
            }
            kill(ranks[1], SIGSTOP)
        }
        stopper.start()
        let outcome = try BuiltProgram("trainyard-train").run(
            processes: 2, [job.plan.path, "--log", job.metrics.path, "--stall-limit", "3", "--quiet"], timeout: 60,
            in: job.folder)
        #expect(outcome.exitCode == 1, "\(outcome.everything)")
        #expect(outcome.errors.contains("no progress for") && outcome.errors.contains("(--stall-limit 3 s)"))
        #expect(!outcome.errors.contains("beat"), "\(outcome.errors)")
        #expect(Leftovers.ranks(of: job.plan.path).isEmpty)
    }

    @Test func aDamagedCheckpointIsPassedOverBetweenStarts() throws {
        let job = try TrainingJob(shape(["data: 2"], steps: 100, checkpoint: "{every: 10, keep: 3}"))
        try undisturbed(job, processes: 2)
        let run = try Supervised(job, ["--restarts", "3", "--quiet"])
        for (number, damage) in ["turned", "short", "unfinished"].enumerated() {
            try run.wait(restarts: number, steps: 25 * (number + 1))
            let ranks = try run.ranks(2)
            for rank in ranks { kill(rank, SIGSTOP) }
            let folder = job.folder.appending(path: "run/checkpoints")
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            let newest = folder.appending(path: try #require(names.filter { $0.hasPrefix("step-") }.max()))
            let file = newest.appending(path: "state-00001-of-00002.safetensors")
            var bytes = try Data(contentsOf: file)
            switch damage {
            case "turned": bytes[bytes.count - 100] ^= 1
            case "short": bytes.removeLast(1000)
            default: try FileManager.default.removeItem(at: newest.appending(path: "checkpoint.json"))
            }
            try bytes.write(to: file)
            kill(ranks[0], SIGKILL)
        }
        #expect(try run.end() == 0, "\(run.said)")
        #expect(run.restarts == 3, "\(run.said)")
        #expect(
            run.said.split(separator: "\n").filter { $0.contains("going on from the older step-") }.count == 3,
            "\(run.said)")
        #expect(try losses("run/log.jsonl", in: job) == losses("whole/log.jsonl", in: job))
    }

    @Test func restartsRunOut() throws {
        let job = try TrainingJob(shape(["data: 2"], steps: TrainingJob.endlessSteps, checkpoint: "{every: 5}"))
        let run = try Supervised(job, ["--restarts", "1", "--quiet"])
        for number in 0..<2 {
            try run.wait(restarts: number, steps: 10 * (number + 1))
            kill(try run.ranks(2)[number], SIGKILL)
        }
        #expect(try run.end() == 1, "\(run.said)")
        let last = run.said.split(separator: "\n").last ?? ""
        #expect(last.hasPrefix("error: ") && last.hasSuffix("; after 1 of 1 restart"), "\(run.said)")
        #expect(try RunFolderTests.Manifest(job.folder.appending(path: "run")).state == "failed")
    }

    /// SIGTERM ends a supervised run as any other, and no start follows.
    @Test func aSignalIsNoFailure() throws {
        let job = try TrainingJob(shape(["data: 2"], steps: TrainingJob.endlessSteps, checkpoint: "{every: 1000000}"))
        let run = try Supervised(job, ["--restarts", "3", "--quiet"])
        try run.wait(restarts: 0, steps: 5)
        kill(run.process.processIdentifier, SIGTERM)
        #expect(try run.end() == 75, "\(run.said)")
        #expect(run.restarts == 0, "\(run.said)")
    }

    @Test(
        .enabled(if: FullDisk.isPossible, "a disk can only be filled by root with the right to mount"),
        arguments: [false, true])
    func aFullDiskSkipsSavesUntilThereIsRoom(asynchronous: Bool) throws {
        let disk = try #require(FullDisk(bytes: 8 << 20))
        let checkpoint = "{every: 10, path: \(disk.folder.path), keep: 1, asynchronous: \(asynchronous)}"
        let job = try TrainingJob(shape(["data: 2"], steps: 120, checkpoint: checkpoint))
        let filler = disk.folder.appending(path: "filler")
        let run = try Supervised(job, ["--restarts", "2", "--quiet"])
        try run.wait(restarts: 0, steps: 15)
        // What an older checkpoint gives free is taken too, until a save has failed.
        try Data().write(to: filler)
        let room = try FileHandle(forWritingTo: filler)
        let words = "No space left on device; this save is skipped, the next is due after step"
        for _ in 0..<2000 where !run.said.contains(words) {
            while (try? room.write(contentsOf: Data(count: 4096))) != nil {}
            usleep(5_000)
        }
        try room.close()
        #expect(run.said.contains(words), "\(run.said)")
        try FileManager.default.removeItem(at: filler)
        #expect(try run.end() == 0, "\(run.said)")
        #expect(run.restarts == 0, "\(run.said)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.folder.path) == ["step-000120"])
    }

    @Test(.enabled(if: FullDisk.isPossible, "a disk can only be filled by root with the right to mount"))
    func theLastSaveMayNotFail() throws {
        // Room for one checkpoint, which stays until the next is complete.
        let disk = try #require(FullDisk(bytes: 820_000))
        var plan = shape(["data: 2"], steps: 5, checkpoint: "{every: 2, path: \(disk.folder.path), keep: 1}")
        (plan.layers, plan.hidden, plan.sequence) = (2, 32, 16)
        let job = try TrainingJob(plan)
        let outcome = try BuiltProgram("trainyard").run(
            ["train", job.plan.path, "--restarts", "2", "--quiet"], in: job.folder)
        #expect(outcome.exitCode == 1, "\(outcome.everything)")
        #expect(outcome.errors.contains("this save is skipped, the next is due after step 5"), "\(outcome.everything)")
        #expect(!outcome.errors.contains("restart 1"), "\(outcome.everything)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.folder.path) == ["step-000002"])
    }

    /// Four processes, then two, then five of which four train: the same batches, and so the same losses but for rounding.
    @Test func anotherNumberOfProcessesGoesOn() throws {
        var plan = shape(["data: 2", "pipeline: 2"], steps: 9, checkpoint: "{every: 3}")
        plan.order = "shuffled"
        let job = try TrainingJob(plan)
        try undisturbed(job, processes: 4)
        let first = try BuiltProgram("trainyard").run(
            ["train", job.plan.path, "--folder", "run", "--steps", "3", "--quiet"], in: job.folder)
        #expect(first.exitCode == 0, "\(first.everything)")
        let second = try BuiltProgram("trainyard").run(
            ["train", job.plan.path, "--folder", "run", "--steps", "6", "--resume", "--elastic", "-n", "2"],
            in: job.folder)
        let words = "note: --elastic: the plan's layout takes 4 processes and there are"
        #expect(second.exitCode == 0 && second.errors.contains("\(words) 2; the run uses 2 "), "\(second.everything)")
        #expect(second.output.contains("Loss, 6 steps"), "\(second.everything)")
        let third = try BuiltProgram("trainyard-train").run(
            processes: 5, [job.plan.path, "--folder", "run", "--resume", "--elastic"], in: job.folder)
        #expect(third.exitCode == 0 && third.errors.contains("\(words) 5; the run uses 4 "), "\(third.everything)")
        let (resumed, whole) = (try losses("run/log.jsonl", in: job), try losses("whole/log.jsonl", in: job))
        #expect(resumed.count == 9 && whole.count == 9)
        for (here, there) in zip(resumed, whole) { #expect(abs(here - there) <= 1e-6 * there) }
    }

    @Test func whatCannotBeSupervisedIsRefused() throws {
        var plan = shape(["data: 2"], steps: 3, checkpoint: "{every: 2}")
        let job = try TrainingJob(plan)
        func refuse(_ arguments: [String], _ code: Int32, _ words: String) throws {
            let outcome = try BuiltProgram("trainyard").run(
                ["train", job.plan.path, "--quiet"] + arguments, in: job.folder)
            #expect(outcome.exitCode == code && outcome.errors.contains(words), "\(outcome.everything)")
            #expect(!outcome.errors.contains("restart 1"), "\(outcome.everything)")
        }
        try refuse(["--stall-limit", "0.5"], 2, "--stall-limit: 0.5 is no limit")
        try refuse(["--restarts", "-1"], 2, "--restarts")
        try refuse(["--restarts", "2", "-n", "3"], 2, "started as 3 processes")
        try refuse(["--restarts", "2", "--data", "nowhere"], 2, "nowhere")
        // It would diverge again.
        (plan.learningRate, plan.clip) = ("1000", "none")
        plan.steps = 50
        try job.write(plan)
        try refuse(["--restarts", "2"], 1, "the run diverged")
        plan.train = []
        try job.write(plan)
        try refuse(["--restarts", "2"], 2, "the plan has no train.checkpoint")
    }
}

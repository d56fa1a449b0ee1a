import Foundation
import TestSupport
import Testing

/// A run that is interrupted goes on as if it had not been.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct ResumeTests {
    private func shape(
        _ layout: [String] = ["data: 2"], steps: Int = 6, checkpoint: String = "{every: 2, keep: 2}"
    ) -> TrainingJob.Shape {
        var shape = TrainingJob.Shape()
        (shape.layers, shape.steps, shape.layout) = (2, steps, layout)
        shape.train = ["checkpoint: \(checkpoint)"]
        return shape
    }

    private func train(
        _ job: TrainingJob, processes: Int = 2, _ arguments: [String] = []
    ) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard-train").run(
            processes: processes, [job.plan.path, "--folder", "run"] + arguments, in: job.folder)
    }

    /// The losses of a log, whose steps must be 0, 1, 2 …
    private func losses(_ path: String, in job: TrainingJob) throws -> [Double] {
        let lines = try String(contentsOf: job.folder.appending(path: path), encoding: .utf8).split(separator: "\n")
        let steps = try lines.map { try JSONDecoder().decode(TrainingJob.Step.self, from: Data($0.utf8)) }
        #expect(steps.map(\.step) == Array(0..<steps.count))
        return steps.map(\.loss)
    }

    /// All layouts, in one job: `Tests/RuntimeChecks/ResumeChecks.swift`.
    @Test func everyLayoutResumesInItselfAndInOthers() throws {
        let outcome = try BuiltProgram("runtime-checks").run(processes: 4, ["resume"], timeout: 300)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("ok") }.count >= 30, "\(outcome.everything)")
        #expect(lines.filter { $0.hasSuffix("to the bit") }.count >= 18, "\(outcome.everything)")
    }

    @Test func logWeightsAndEventsGoOnAsIfNothingHadHappened() throws {
        let job = try TrainingJob(shape())
        let records = ["--log", "more.jsonl", "--tensorboard", "board"]
        let whole = try train(job, ["--folder", "whole", "--save", "whole.safetensors", "--quiet"])
        try #require(whole.exitCode == 0, "\(whole.everything)")
        // Ends after a step that the newest checkpoint does not hold.
        let first = try train(job, ["--steps", "5", "--quiet"] + records)
        try #require(first.exitCode == 0, "\(first.everything)")
        try FileManager.default.removeItem(at: job.folder.appending(path: "run/checkpoints/step-000005"))
        let second = try train(job, ["--resume", "--save", "resumed.safetensors"] + records)
        try #require(second.exitCode == 0, "\(second.everything)")
        #expect(second.errors.contains("going on after step 4 from"), "\(second.errors)")
        #expect(second.errors.contains("1.00 × its share"), "\(second.errors)")
        let undisturbed = try losses("whole/log.jsonl", in: job)
        #expect(try losses("run/log.jsonl", in: job) == undisturbed)
        #expect(try losses("more.jsonl", in: job) == undisturbed)
        #expect(
            try Data(contentsOf: job.folder.appending(path: "resumed.safetensors"))
                == Data(contentsOf: job.folder.appending(path: "whole.safetensors")))
        let events = try FileManager.default.contentsOfDirectory(atPath: job.folder.path + "/board")
        #expect(events.count == 1)
        let bytes = try Data(contentsOf: job.folder.appending(path: "board/" + events[0]))
        // One record of every step names its loss.
        #expect(bytes.ranges(of: Data("train/loss".utf8)).count == 6)
        // The run is done: nothing is trained twice.
        let third = try train(job, ["--resume"])
        #expect(third.exitCode == 0 && third.errors.contains("all 6 steps were done before"), "\(third.everything)")
        #expect(try losses("run/log.jsonl", in: job) == undisturbed)
    }

    @Test func anotherLayoutGoesOnButForRounding() throws {
        let job = try TrainingJob(shape(["pipeline: 2"]))
        try #require(try train(job, ["--folder", "whole", "--quiet"]).exitCode == 0)
        try #require(try train(job, ["--steps", "4", "--quiet"]).exitCode == 0)
        try job.write(shape(["data: 2", "tensor: 2", "sharding: parameters"]))
        let second = try train(job, processes: 4, ["--resume", "--quiet"])
        try #require(second.exitCode == 0, "\(second.everything)")
        let (resumed, whole) = (try losses("run/log.jsonl", in: job), try losses("whole/log.jsonl", in: job))
        #expect(resumed.count == 6 && whole.count == 6)
        for (here, there) in zip(resumed, whole) {
            #expect(abs(here - there) <= 1e-5 * there)
        }
    }

    /// SIGTERM at a moment that nobody chose: the run saves, leaves with code 75 and goes on.
    @Test(arguments: [(false, SIGTERM), (true, SIGTERM), (true, SIGUSR2), (true, SIGUSR1)])
    func aStoppedRunGoesOn(byLauncher: Bool, signal: Int32) throws {
        let checkpoint = "{every: 1000000, asynchronous: true}"
        let job = try TrainingJob(shape(steps: TrainingJob.endlessSteps, checkpoint: checkpoint))
        let arguments = [job.plan.path, "--folder", "run", "--log", job.metrics.path]
        let running =
            byLauncher
            ? try BuiltProgram("trainyard").start(["train"] + arguments, in: job.folder)
            : try BuiltProgram("trainyard-train").start(processes: 2, arguments, in: job.folder)
        defer { running.terminate() }
        let ranks = try Leftovers.waitForRanks(of: job.plan.path, count: 2, metrics: job.metrics)
        for rank in ranks {
            // A handler on the thread that computes would write into memory that oneDNN's products use.
            let blocked = try #require(Leftovers.blockedSignals(ofFirstThreadOf: rank))
            for number in [SIGTERM, SIGUSR2] {
                #expect(blocked & 1 << UInt64(number - 1) != 0, "signal \(number) of \(rank)")
            }
        }
        #expect(kill(byLauncher ? running.processIdentifier : ranks[1], signal) == 0)
        try #require(Leftovers.ends(running, withinSeconds: 20))
        #expect(running.terminationStatus == 75)
        let manifest = try RunFolderTests.Manifest(job.folder.appending(path: "run"))
        #expect(manifest.state == "interrupted" && manifest.checkpoints.map(\.step) == [manifest.step])
        let done = manifest.step
        let second = try train(job, ["--resume", "--steps", "\(done + 2)", "--log", job.metrics.path])
        try #require(second.exitCode == 0, "\(second.everything)")
        #expect(try losses("run/log.jsonl", in: job).count == done + 2)
        #expect(try losses("metrics.jsonl", in: job).count == done + 2)
        try #require(try train(job, ["--folder", "whole", "--quiet", "--steps", "\(done + 2)"]).exitCode == 0)
        #expect(try losses("run/log.jsonl", in: job) == losses("whole/log.jsonl", in: job))
    }

    @Test func aDamagedCheckpointIsPassedOver() throws {
        let job = try TrainingJob(shape())
        try #require(try train(job, ["--quiet"]).exitCode == 0)
        let checkpoints = job.folder.appending(path: "run/checkpoints")
        let newest = checkpoints.appending(path: "step-000006/state-00002-of-00002.safetensors")
        let undisturbed = try losses("run/log.jsonl", in: job)
        var bytes = try Data(contentsOf: newest)
        bytes[bytes.count - 100] ^= 4
        try bytes.write(to: newest)
        let second = try train(job, ["--resume", "--quiet"])
        #expect(second.exitCode == 0, "\(second.everything)")
        #expect(
            second.errors.contains("does not match its checksum; going on from the older step-000004"),
            "\(second.errors)")
        #expect(try losses("run/log.jsonl", in: job) == undisturbed)
        // It was saved again.
        let verified = try BuiltProgram("trainyard").run(["checkpoint", "verify", "run"], in: job.folder)
        #expect(verified.exitCode == 0, "\(verified.everything)")
        // Half written, and with a header that lies.
        try FileManager.default.removeItem(at: checkpoints.appending(path: "step-000006/checkpoint.json"))
        try Data([255, 255, 255, 255, 255, 255, 255, 127]).write(
            to: checkpoints.appending(path: "step-000004/state-00001-of-00002.safetensors"))
        let third = try train(job, ["--resume", "--quiet"])
        #expect(third.exitCode == 2 && third.errors.contains("no checkpoint is good"), "\(third.everything)")
        let listed = try BuiltProgram("trainyard").run(["checkpoint", "list", "run", "--json"], in: job.folder)
        #expect(listed.exitCode == 1 && listed.output.contains("\"good\" : false"), "\(listed.everything)")
    }

    @Test func anotherPlanIsRefusedOrOverridden() throws {
        let job = try TrainingJob(shape())
        try #require(try train(job, ["--quiet", "--steps", "4"]).exitCode == 0)
        func resume(_ change: (inout TrainingJob.Shape) -> Void, _ arguments: [String] = []) throws
            -> BuiltProgram.Outcome
        {
            var other = shape()
            change(&other)
            try job.write(other)
            return try train(job, ["--resume", "--quiet"] + arguments)
        }
        let before = try losses("run/log.jsonl", in: job)
        let cases: [(change: (inout TrainingJob.Shape) -> Void, words: String, isOverridable: Bool)] = [
            ({ $0.hidden = 64 }, "model.hidden is 32 in the checkpoint and 64 here", false),
            ({ $0.sequence = 8 }, "model.sequence is 16 in the checkpoint and 8 here", false),
            ({ $0.batch = 16 }, "batch: 8, now 16", true),
            ({ $0.learningRate = "1e-3" }, "train.learningRate: 0.0003, now 0.001", true),
            ({ $0.order = "shuffled" }, "train.order: sequential, now shuffled", true),
        ]
        for (change, words, isOverridable) in cases {
            let refused = try resume(change)
            #expect(refused.exitCode == 2 && refused.errors.contains(words), "\(refused.everything)")
            #expect(refused.errors.contains("--override") == isOverridable, "\(refused.errors)")
        }
        #expect(try losses("run/log.jsonl", in: job) == before)
        let overridden = try resume({ $0.batch = 16 }, ["--override"])
        #expect(overridden.exitCode == 0 && overridden.errors.contains("batch: 8, now 16"), "\(overridden.everything)")
        #expect(try losses("run/log.jsonl", in: job).count == 6)
    }

    @Test func aRunWithNothingToGoOnFromBegins() throws {
        var plan = shape()
        plan.train.append("resume: auto")
        let job = try TrainingJob(plan)
        for (steps, words) in [("2", "the run begins"), ("4", "going on after step 2")] {
            let outcome = try BuiltProgram("trainyard-train").run(
                processes: 2, [job.plan.path, "--steps", steps], in: job.folder)
            #expect(outcome.exitCode == 0 && outcome.errors.contains(words), "\(outcome.everything)")
        }
        #expect(try losses("runs/plan/log.jsonl", in: job).count == 4)
    }

    /// Going on from an older checkpoint leaves no later one that a next start would take.
    @Test func aBranchLeavesNoGap() throws {
        let job = try TrainingJob(shape(checkpoint: "{every: 1, keep: 6}"))
        try #require(try train(job, ["--quiet"]).exitCode == 0)
        let undisturbed = try losses("run/log.jsonl", in: job)
        let second = try train(job, ["--resume", "run/checkpoints/step-000002", "--steps", "3", "--quiet"])
        try #require(second.exitCode == 0, "\(second.everything)")
        #expect(second.errors.contains("abandoned-step-000006"), "\(second.errors)")
        #expect(try losses("run/log.jsonl", in: job) == Array(undisturbed.prefix(3)))
        let names = try FileManager.default.contentsOfDirectory(atPath: job.folder.path + "/run/checkpoints").sorted()
        #expect(
            names == (3...6).map { "abandoned-step-00000\($0)" } + (1...3).map { "step-00000\($0)" }, "\(names)")
        let third = try train(job, ["--resume"])
        #expect(third.exitCode == 0 && third.errors.contains("going on after step 3 from"), "\(third.everything)")
        #expect(try losses("run/log.jsonl", in: job) == undisturbed)
    }

    /// The newest run is found also where an older one of the name was removed.
    @Test func aRemovedRunHidesNoNewerOne() throws {
        let job = try TrainingJob(shape())
        func train(_ arguments: [String]) throws -> BuiltProgram.Outcome {
            try BuiltProgram("trainyard-train").run(processes: 2, [job.plan.path] + arguments, in: job.folder)
        }
        for _ in 0..<2 { try #require(try train(["--steps", "2", "--quiet"]).exitCode == 0) }
        try FileManager.default.removeItem(at: job.folder.appending(path: "runs/plan"))
        let outcome = try train(["--resume"])
        #expect(outcome.exitCode == 0 && outcome.errors.contains("going on after step 2"), "\(outcome.everything)")
        #expect(try losses("runs/plan-2/log.jsonl", in: job).count == 6)
    }

    @Test func checkpointsAreListedVerifiedAndConverted() throws {
        let job = try TrainingJob(shape(["tensor: 2"]))
        try #require(try train(job, ["--quiet", "--save", "weights.safetensors"]).exitCode == 0)
        func run(_ arguments: [String]) throws -> BuiltProgram.Outcome {
            try BuiltProgram("trainyard").run(["checkpoint"] + arguments, in: job.folder)
        }
        let listed = try run(["list", "run"])
        #expect(listed.exitCode == 0 && listed.output.contains("step 4 of plan"), "\(listed.everything)")
        #expect(
            try run(["verify", "run/checkpoints/step-000006"]).output.contains("every tensor matches its checksum"))
        let converted = try run(["convert", "run", "--to", "whole.safetensors"])
        #expect(converted.exitCode == 0, "\(converted.everything)")
        #expect(
            try Data(contentsOf: job.folder.appending(path: "whole.safetensors"))
                == Data(contentsOf: job.folder.appending(path: "weights.safetensors")))
        let refused = try run(["convert", "run", "--to", "whole.safetensors"])
        #expect(refused.exitCode == 2 && refused.errors.contains("is there already"), "\(refused.everything)")
        let none = try run(["list", "."])
        #expect(none.exitCode == 2 && none.errors.contains("holds no checkpoint"), "\(none.everything)")
        // Weights of a checkpoint begin another run, and write text.
        var other = shape(["pipeline: 2"])
        other.train = ["init: run/checkpoints/step-000006"]
        try job.write(other)
        #expect(try train(job, ["--folder", "other", "--quiet"]).exitCode == 0)
        let text = try BuiltProgram("trainyard").run(["generate", "run", "--tokens", "5"], in: job.folder)
        #expect(text.exitCode == 0, "\(text.everything)")
    }

    @Test(.enabled(if: FullDisk.isPossible, "a disk can only be filled by root with the right to mount"))
    func aDiskThatIsTooSmallIsNamedBeforeTheStart() throws {
        let disk = try #require(FullDisk(bytes: 64 << 10))
        let job = try TrainingJob(shape(checkpoint: "{every: 2, path: \(disk.folder.path)}"))
        let outcome = try train(job, ["--quiet"])
        #expect(outcome.exitCode == 2 && outcome.errors.contains("a checkpoint takes"), "\(outcome.everything)")
        #expect(!FileManager.default.fileExists(atPath: job.folder.path + "/run"))
    }
}

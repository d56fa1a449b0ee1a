import Foundation
import Testing

/// What a run does to files that are not its own: nothing, whatever it is asked.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct SafeRunFolderTests {
    /// A job of two ranks; its text and plan are `text` and `plan.yaml`.
    private func job(_ train: [String] = [], hidden: Int = 32) throws -> TrainingJob {
        var shape = TrainingJob.Shape()
        (shape.layers, shape.hidden, shape.steps) = (2, hidden, 4)
        shape.layout = ["pipeline: 2"]
        shape.train = train
        return try TrainingJob(shape)
    }

    private func replacePlan(_ job: TrainingJob, _ train: [String], hidden: Int = 32) throws {
        var shape = TrainingJob.Shape()
        (shape.layers, shape.hidden, shape.steps) = (2, hidden, 4)
        shape.layout = ["pipeline: 2"]
        shape.train = train
        try job.write(shape)
    }

    private func train(_ job: TrainingJob, _ arguments: [String] = []) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(["train", job.plan.path, "--quiet"] + arguments, in: job.folder)
    }

    private func refusal(_ job: TrainingJob, _ arguments: [String]) throws -> String {
        let outcome = try train(job, arguments)
        #expect(outcome.exitCode == 2, "\(arguments): \(outcome.everything)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        return outcome.errors
    }

    private func kind(_ path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    /// Everything below a folder, with its bytes.
    private func contents(_ folder: URL) throws -> [String: Data?] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        return Dictionary(
            uniqueKeysWithValues: names.map { ($0, FileManager.default.contents(atPath: folder.path + "/" + $0)) })
    }

    private func manifest(_ folder: URL) throws -> RunFolderTests.Manifest { try RunFolderTests.Manifest(folder) }

    @Test func aRunThatCannotStartRemovesNothing() throws {
        let job = try job(["init: none.safetensors"])
        let own = Data("precious".utf8)
        for name in ["weights", "trace", "other"] { try own.write(to: job.folder.appending(path: name)) }
        mkfifo(job.folder.path + "/pipe", 0o600)
        let before = try contents(job.folder).keys.sorted()
        for arguments in [
            ["--save", "weights"], ["--trace", "trace"], ["--save", "weights", "--trace", "trace"],
            ["--trace", "pipe"], ["--log", "pipe"], ["--log", "new", "--overwrite"], ["--tensorboard", "board"],
            ["--folder", "deep/er", "--save", "weights"],
        ] {
            #expect(try refusal(job, arguments).contains("none.safetensors: No such file"))
            #expect(try contents(job.folder).keys.filter { $0 != "runs" }.sorted() == before, "\(arguments)")
        }
        for name in ["weights", "trace"] {
            #expect(try Data(contentsOf: job.folder.appending(path: name)) == own)
        }
        #expect(kind(job.folder.path + "/pipe") == S_IFIFO)
        // Weights that are no weights, named for saving too.
        try replacePlan(job, ["init: other"])
        #expect(try refusal(job, ["--save", "other"]).contains("--save would replace the file that train.init names"))
        _ = try refusal(job, ["--save", "weights"])
        #expect(try Data(contentsOf: job.folder.appending(path: "other")) == own)
    }

    /// Also where only the second rank finds out.
    @Test func anOldRunStaysUntilTheNewOneIsReady() throws {
        let job = try job(["checkpoint: {every: 3, keep: 2}"])
        #expect(try train(job, ["--folder", "d", "--save", "full"]).exitCode == 0)
        let folder = job.folder.appending(path: "d")
        let before = try contents(folder)
        let checkpoint = "d/checkpoints/step-000003"
        symlink(checkpoint, job.folder.path + "/link")
        let full = try Data(contentsOf: job.folder.appending(path: "full"))
        try full.dropLast(64).write(to: job.folder.appending(path: "short"))
        for (start, steps, words) in [
            (checkpoint, "4", "train.init"), ("link", "4", "train.init"), (checkpoint, "2", "train.init"),
            ("none", "4", "No such file"), ("short", "4", "short"),
        ] {
            try replacePlan(job, ["init: \(start)", "checkpoint: {every: 3, keep: 2}"])
            let said = try refusal(job, ["--folder", "d", "--overwrite", "--steps", steps])
            #expect(said.contains(words), "\(said)")
            #expect(try contents(folder) == before, "\(start)")
        }
        try replacePlan(job, ["init: \(checkpoint)"], hidden: 64)
        _ = try refusal(job, ["--folder", "d", "--overwrite"])
        #expect(try contents(folder) == before)
        // The plan of the run itself may begin the next.
        let own = try BuiltProgram("trainyard").run(
            ["train", "d/plan.yaml", "--quiet", "--folder", "d", "--overwrite"], in: job.folder)
        #expect(own.exitCode == 0, "\(own.everything)")
    }

    @Test func aManifestReachesNothingOutsideItsFolder() throws {
        let job = try job()
        #expect(try train(job, ["--folder", "runs/z"]).exitCode == 0)
        let victim = job.folder.appending(path: "victim")
        try FileManager.default.createDirectory(at: victim, withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: victim.appending(path: "file"))
        let folder = job.folder.appending(path: "runs/z")
        symlink("../../victim", folder.path + "/out")
        let path = folder.appending(path: "manifest.json")
        let names = [
            "../../victim", "../../victim/file", "out/file", "\(victim.path)/file", "", ".", "x/../../../victim",
        ]
        let text = try String(contentsOf: path, encoding: .utf8)
        let list = names.map { "\"\($0)\"," }.joined()
        try Data(text.replacing("\"files\" : [", with: "\"files\" : [" + list).utf8).write(to: path)
        let outcome = try train(job, ["--folder", "runs/z", "--overwrite"])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(try Data(contentsOf: victim.appending(path: "file")) == Data("mine".utf8))
        // Nor does a link in the place of a file that a run writes.
        unlink(folder.path + "/log.jsonl")
        symlink("../../victim/file", folder.path + "/log.jsonl")
        #expect(try refusal(job, ["--folder", "runs/z", "--overwrite"]).contains("log.jsonl: is no plain file"))
        #expect(try Data(contentsOf: victim.appending(path: "file")) == Data("mine".utf8))
    }

    @Test func filesThatWouldReplaceOneAnotherAreRefused() throws {
        let job = try job(["checkpoint: {every: 3, keep: 2}"])
        symlink("text", job.folder.path + "/soft")
        link(job.folder.path + "/text", job.folder.path + "/hard")
        let before = try contents(job.folder)
        for (arguments, words) in [
            (["--save", "x", "--trace", "x"], ["--save", "--trace"]), (["--log", "x", "--save", "./x"], ["--log"]),
            (["--svg", "x", "--loss-svg", "x"], ["--svg", "--loss-svg"]), (["--save", "text"], ["train.data"]),
            (["--trace", "soft"], ["--trace", "train.data"]), (["--log", "hard", "--overwrite"], ["train.data"]),
            (["--save", "plan.yaml"], ["--save", "the plan"]), (["--svg", "plan.yaml"], ["--svg", "the plan"]),
            (["--folder", "d", "--save", "d/plan.yaml"], ["--save", "plan.yaml"]),
            (["--folder", "d", "--trace", "d/manifest.json"], ["--trace", "manifest.json"]),
            (["--folder", "d", "--save", "d"], ["--save"]), (["--tensorboard", "b", "--save", "b"], ["--tensorboard"]),
        ] {
            let said = try refusal(job, arguments)
            for word in words { #expect(said.contains(word), "\(said)") }
        }
        #expect(try contents(job.folder).filter { $0.key != "runs" } == before)
        // What throws everything away may be named often.
        let outcome = try train(job, ["--save", "/dev/stdout", "--trace", "/dev/stdout"])
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
    }

    @Test func aFolderHasOneRunAtATime() throws {
        let job = try job(["checkpoint: {every: 1000000, keep: 1, path: shared}"])
        let log = job.folder.appending(path: "log")
        let first = try BuiltProgram("trainyard").start(
            [
                "train", job.plan.path, "--quiet", "--folder", "d", "--steps", "\(TrainingJob.endlessSteps)", "--log",
                log.path,
            ], in: job.folder
        )
        defer { first.terminate() }
        _ = try Leftovers.waitForRanks(of: job.plan.path, count: 2, metrics: log)
        let said = try refusal(job, ["--folder", "d", "--overwrite", "--steps", "2"])
        #expect(said.contains("is writing here") && said.contains("--folder"), "\(said)")
        #expect(
            try refusal(job, ["--folder", "e", "--overwrite"]).contains(
                "another run is writing its checkpoints here (held by trainyard-train"))
        try replacePlan(job, [])
        #expect(try refusal(job, ["--log", log.path, "--overwrite"]).contains("another process is writing it"))
        #expect(try train(job).exitCode == 0)
        first.interrupt()
        try #require(Leftovers.ends(first, withinSeconds: 20))
        let manifest = try manifest(job.folder.appending(path: "d"))
        let lines = try String(contentsOf: log, encoding: .utf8).split(separator: "\n").count
        #expect(manifest.state == "interrupted" && manifest.step >= lines && lines > 0)
        #expect(kind(job.folder.path + "/d/.trainyard.lock") == nil)
        #expect(
            try refusal(job, ["--folder", "d"]).contains(
                "(interrupted, \(manifest.step) of \(TrainingJob.endlessSteps) steps)"))
    }

    /// A killed rank is a failure; a job of which nothing is left ended without a word.
    @Test func aKilledRunIsNotRunning() throws {
        let job = try job()
        let log = job.folder.appending(path: "log")
        let arguments = [
            "--quiet", "--folder", "d", "--steps", "\(TrainingJob.endlessSteps)", "--overwrite", "--log", log.path,
        ]
        for victim in [0, 1] {
            unlink(log.path)
            let run = try BuiltProgram("trainyard").start(["train", job.plan.path] + arguments, in: job.folder)
            defer { run.terminate() }
            let ranks = try Leftovers.waitForRanks(of: job.plan.path, count: 2, metrics: log)
            kill(ranks[victim], SIGKILL)
            try #require(Leftovers.ends(run, withinSeconds: 20))
            let manifest = try manifest(job.folder.appending(path: "d"))
            #expect(manifest.state == "failed" && manifest.step > 0, "\(manifest.state) \(manifest.step)")
        }
        unlink(log.path)
        let run = try BuiltProgram("trainyard-train").start(
            processes: 2, [job.plan.path] + arguments, in: job.folder)
        let ranks = try Leftovers.waitForRanks(of: job.plan.path, count: 2, metrics: log)
        for process in [run.processIdentifier] + ranks { kill(process, SIGKILL) }
        try #require(Leftovers.ends(run, withinSeconds: 20))
        let said = try refusal(job, ["--folder", "d"])
        #expect(said.contains("ended without a word (killed?)") && !said.contains(" 0 of"), "\(said)")
        #expect(try train(job, ["--folder", "d", "--overwrite"]).exitCode == 0)
    }
}

import Foundation
import Testing

/// A run owns one folder; nothing that its manifest does not name is replaced or removed.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct RunFolderTests {
    struct Manifest: Decodable {
        struct Checkpoint: Decodable {
            let step: Int
            let file: String
            let bytes: Int
            let sha256: String
        }
        let plan: String
        let state: String
        let step: Int
        let steps: Int
        let program: String
        let files: [String]
        let checkpoints: [Checkpoint]

        init(_ folder: URL) throws {
            self = try JSONDecoder().decode(
                Manifest.self, from: Data(contentsOf: folder.appending(path: "manifest.json")))
        }
    }

    private func job(_ train: [String] = [], steps: Int = 4) throws -> TrainingJob {
        var shape = TrainingJob.Shape()
        shape.layers = 2
        shape.steps = steps
        shape.train = train
        return try TrainingJob(shape)
    }

    private func train(_ job: TrainingJob, _ arguments: [String] = []) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard-train").run(
            processes: 1, [job.plan.path, "--quiet"] + arguments, in: job.folder)
    }

    private func names(_ folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test func aRunLeavesAManifestOfWhatIsIts() throws {
        let job = try job(["checkpoint: {every: 1, keep: 2}"])
        #expect(try train(job).exitCode == 0)
        let folder = job.folder.appending(path: "runs/plan")
        #expect(try names(folder) == ["checkpoints", "log.jsonl", "manifest.json", "plan.yaml"])
        let manifest = try Manifest(folder)
        #expect(manifest.state == "finished" && manifest.step == 4 && manifest.steps == 4 && manifest.plan == "plan")
        #expect(manifest.files == ["plan.yaml", "log.jsonl"] && manifest.program.hasPrefix("trainyard-train "))
        #expect(manifest.checkpoints.map(\.step) == [3, 4])
        #expect(try Data(contentsOf: folder.appending(path: "plan.yaml")) == Data(contentsOf: job.plan))
        #expect(
            try names(folder.appending(path: "checkpoints")) == ["step-000003", "step-000004"])
        for checkpoint in manifest.checkpoints {
            let file = folder.appending(path: checkpoint.file)
            let bytes = try names(file).map { try Data(contentsOf: file.appending(path: $0)).count }
            #expect(bytes.reduce(0, +) == checkpoint.bytes)
            let manifest = file.appending(path: "checkpoint.json")
            let sum = try BuiltProgram.run(URL(filePath: "/usr/bin/sha256sum"), [manifest.path], in: job.folder).output
            #expect(sum.hasPrefix(checkpoint.sha256 + " "), "\(sum)")
        }
        let text = try BuiltProgram("trainyard").run(["generate", folder.path, "--tokens", "5"])
        #expect(text.exitCode == 0, "\(text.everything)")
    }

    /// A plan that is run twice, and another plan of that name: each run has a folder of its own.
    @Test func aSecondRunTakesAnotherFolder() throws {
        let job = try job(["checkpoint: {every: 2, keep: 1}"])
        #expect(try train(job).exitCode == 0)
        let first = job.folder.appending(path: "runs/plan")
        let before = try Data(contentsOf: first.appending(path: "manifest.json"))
        #expect(try train(job).exitCode == 0)
        #expect(try train(job, ["--steps", "2"]).exitCode == 0)
        #expect(try names(job.folder.appending(path: "runs")) == ["plan", "plan-2", "plan-3"])
        #expect(try Data(contentsOf: first.appending(path: "manifest.json")) == before)
        #expect(try names(first.appending(path: "checkpoints")) == ["step-000004"])
        // Told to, it replaces the first.
        #expect(try train(job, ["--steps", "2", "--overwrite"]).exitCode == 0)
        #expect(try names(job.folder.appending(path: "runs")) == ["plan", "plan-2", "plan-3"])
        #expect(try names(first.appending(path: "checkpoints")) == ["step-000002"])
    }

    @Test func aNamedFolderIsNotTakenTwice() throws {
        let job = try job(["folder: mine", "checkpoint: {every: 2, keep: 1}"])
        #expect(try train(job).exitCode == 0)
        let again = try train(job)
        #expect(again.exitCode == 2, "\(again.everything)")
        #expect(again.errors.contains("mine: holds a run of plan (finished, 4 of 4 steps)"), "\(again.errors)")
        #expect(again.errors.contains("--overwrite"))
        #expect(try train(job, ["--folder", "other"]).exitCode == 0)
        // What is not the run's stays, whatever it is called.
        let mine = job.folder.appending(path: "mine")
        let foreign = ["checkpoints/step-000001.safetensors", "checkpoints/step-000009.safetensors", "notes.txt"]
        for name in foreign { try Data("mine".utf8).write(to: mine.appending(path: name)) }
        #expect(try train(job, ["--overwrite"]).exitCode == 0)
        for name in foreign { #expect(try Data(contentsOf: mine.appending(path: name)) == Data("mine".utf8)) }
        #expect(try Manifest(mine).checkpoints.map(\.step) == [4])
    }

    /// `keep: 1` of one run in a folder where another's checkpoints lie.
    @Test func checkpointsOfAnotherRunStay() throws {
        let job = try job(["checkpoint: {every: 2, keep: 1, path: shared}"])
        let shared = job.folder.appending(path: "shared")
        #expect(try train(job).exitCode == 0)
        #expect(try names(shared) == ["step-000004"])
        let first = try Data(contentsOf: shared.appending(path: "step-000004/checkpoint.json"))
        #expect(try train(job, ["--steps", "3"]).exitCode == 0)
        #expect(try names(shared) == ["step-000003", "step-000004"])
        #expect(try Data(contentsOf: shared.appending(path: "step-000004/checkpoint.json")) == first)
        // One that would be replaced is named before anything is computed.
        let refused = try train(job, ["--steps", "6"])
        #expect(refused.exitCode == 2, "\(refused.everything)")
        #expect(refused.errors.contains("shared/step-000004: is another run's checkpoint"))
        #expect(try train(job, ["--steps", "6", "--overwrite"]).exitCode == 0)
        #expect(try names(shared).contains("step-000003"))
    }

    @Test func aLogIsNotReplacedUnasked() throws {
        let job = try job()
        #expect(try train(job, ["--log", "log"]).exitCode == 0)
        let log = job.folder.appending(path: "log")
        let lines = try Data(contentsOf: log)
        let refused = try train(job, ["--log", "log", "--steps", "2"])
        #expect(refused.exitCode == 2, "\(refused.everything)")
        #expect(refused.errors.contains("log: is there already") && refused.errors.contains("--overwrite"))
        #expect(try Data(contentsOf: log) == lines)
        // A refused run leaves no folder.
        #expect(try names(job.folder.appending(path: "runs")) == ["plan"])
        #expect(try train(job, ["--log", "log", "--steps", "2", "--overwrite"]).exitCode == 0)
        #expect(try String(contentsOf: log, encoding: .utf8).split(separator: "\n").count == 2)
        // An empty file, as `mktemp` makes, is nobody's log.
        try Data().write(to: job.folder.appending(path: "empty"))
        #expect(try train(job, ["--log", "empty"]).exitCode == 0)
    }

    @Test func aRunThatFailsSaysSo() throws {
        var shape = TrainingJob.Shape()
        shape.learningRate = "1000"
        shape.clip = "none"
        shape.steps = 50
        let job = try TrainingJob(shape)
        let outcome = try train(job)
        #expect(outcome.exitCode == 1 && outcome.errors.contains("the run diverged"), "\(outcome.everything)")
        let manifest = try Manifest(job.folder.appending(path: "runs/plan"))
        #expect(manifest.state == "failed" && manifest.step < 50)
    }

    @Test func weightsThatAreNoNumbersAreRefused() throws {
        let job = try job()
        #expect(try train(job, ["--save", "weights.safetensors"]).exitCode == 0)
        let path = job.folder.appending(path: "weights.safetensors")
        var bytes = try Data(contentsOf: path)
        bytes.replaceSubrange(bytes.count - 8..<bytes.count - 4, with: [0, 0, 0xC0, 0x7F])
        try bytes.write(to: path)
        let text = try BuiltProgram("trainyard").run(["generate", path.path, "--tokens", "5"])
        #expect(text.exitCode == 2 && text.errors.contains("holds NaN"), "\(text.everything)")
        #expect(text.output.isEmpty)
        let start = try self.job(["init: \(path.path)"])
        let refused = try train(start)
        #expect(refused.exitCode == 2 && refused.errors.contains("holds NaN"), "\(refused.everything)")
        #expect(!FileManager.default.fileExists(atPath: start.folder.path + "/runs/plan"))
    }
}

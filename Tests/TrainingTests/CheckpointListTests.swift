import Foundation
import Models
import Plans
import Tensors
import TestSupport
import Testing
import Training

/// Which of the checkpoints that lie in folders a run takes for its own, and what is refused.
@Suite struct CheckpointListTests {
    private let folder: TemporaryFolder
    private let state = SavedState(model: SavedState.gpt, rule: .sgd(SGD(momentum: 0)))

    init() throws { folder = try TemporaryFolder() }

    /// Saves a checkpoint of a run.
    @discardableResult private func save(_ name: String, run: String) throws -> String {
        let path = folder[name]
        try state.save([state.alone()], at: path)
        var manifest = try CheckpointFolder(path: path).manifest
        manifest.run = run
        try manifest.text().write(to: URL(filePath: path + "/checkpoint.json"))
        return path
    }

    /// The manifest of a run that lists checkpoints of these steps.
    private func manifest(run: String, _ steps: [Int]) throws -> RunManifest {
        var manifest = RunManifest(
            plan: "small", identity: "", program: "tests", steps: 9, processes: 1, data: "text", host: "here",
            process: 1, started: Date(timeIntervalSince1970: 1e9))
        manifest.run = run
        manifest.checkpoints = steps.map {
            RunManifest.Checkpoint(step: $0, file: "checkpoints/" + Checkpoint.name(step: $0), bytes: 0, sha256: "")
        }
        try manifest.json().write(to: URL(filePath: folder["run"] + "/manifest.json"))
        return manifest
    }

    @Test func anotherRunsCheckpointIsNoCandidate() throws {
        let first = try save("run/checkpoints/step-000001", run: "mine")
        let other = try save("run/checkpoints/step-000002", run: "other")
        let damaged = try save("run/checkpoints/step-000003", run: "mine")
        try Data("{".utf8).write(to: URL(filePath: damaged + "/checkpoint.json"))
        let late = try save("run/checkpoints/step-000004", run: "mine")
        let run = folder["run"]
        let own = try manifest(run: "mine", [1, 2, 3])
        #expect(try CheckpointList.resumable(at: run, own: own, in: run) == [late, damaged, first])
        // One that nobody can read and no manifest lists may be anyone's.
        let short = try manifest(run: "mine", [1, 2])
        #expect(try CheckpointList.resumable(at: run, own: short, in: run) == [late, first])
        let refused = try #require(throws: TrainingError.self) {
            try CheckpointList.resumable(at: other, own: own, in: run)
        }
        #expect(refused.description.contains("holds another run than"))
    }

    @Test func aFolderOfSeveralRunsIsRefused() throws {
        let first = try save("run/step-000001", run: "one")
        let second = try save("run/step-000002", run: "two")
        let path = folder["run"]
        let refused = try #require(throws: TrainingError.self) {
            try CheckpointList.resumable(at: path, own: nil, in: folder["new"])
        }
        #expect(refused.description.contains(first) && refused.description.contains(second))
        #expect(try CheckpointList.resumable(at: second, own: nil, in: folder["new"]) == [second])
    }

    @Test func laterCheckpointsAreSetAside() throws {
        let paths = try (1...3).map { try save("run/step-00000\($0)", run: "one") }
        #expect(
            try CheckpointList.setAside(paths, after: 1) == [2, 3].map { folder["run/abandoned-step-00000\($0)"] })
        #expect(CheckpointList.candidates(at: folder["run"]) == [paths[0]])
        // Only another run goes on from one.
        let (aside, own) = (folder["run/abandoned-step-000002"], try manifest(run: "one", [1]))
        #expect(throws: TrainingError.self) {
            try CheckpointList.resumable(at: aside, own: own, in: folder["run"])
        }
        #expect(try CheckpointList.resumable(at: aside, own: nil, in: folder["new"]) == [aside])
        try FileManager.default.removeItem(atPath: folder["run/manifest.json"])
        // Nothing that was set aside before is lost.
        let again = try save("run/step-000003", run: "one")
        #expect(try CheckpointList.setAside([again], after: 1) == [folder["run/abandoned-step-000003-2"]])
        try CheckpointFolder(path: folder["run/abandoned-step-000003"]).checkTensors(reads: true)
    }

    @Test(arguments: [false, true]) func shapesThatAreNotTheModelsAreRefused(reads: Bool) throws {
        let path = try save("step-000001", run: "one")
        var manifest = try CheckpointFolder(path: path).manifest
        manifest.model.vocab = 128
        try manifest.text().write(to: URL(filePath: path + "/checkpoint.json"))
        let refused = try #require(throws: CheckpointProblem.self) {
            try CheckpointFolder(path: path).checkTensors(reads: reads)
        }
        #expect(refused.error.description.contains("has the shape [64, 24], and its model's is [128, 24]"))
    }

    /// A file without a byte on the disk can claim as many runs as it has elements.
    @Test func moreRunsThanAnyLayoutMakesAreRefused() throws {
        let path = try save("step-000001", run: "one")
        var manifest = try CheckpointFolder(path: path).manifest
        let file = URL(filePath: path + "/" + manifest.files[0].name)
        let bytes = try Data(contentsOf: file)
        let length = 8 + Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        var object = try #require(JSONSerialization.jsonObject(with: bytes[8..<length]) as? [String: Any])
        var metadata = try #require(object["__metadata__"] as? [String: String])
        let text = try #require(metadata["trainyard.pieces"])
        var pieces = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let (count, end) = (1 << 24, bytes.count - length)
        object["zz"] = ["dtype": "F32", "shape": [count], "data_offsets": [end, end + 4 * count]] as [String: Any]
        pieces["zz"] = ["shape": [2 * count], "runs": [[0, 1, 2, count]], "sum": "0000000000000000"] as [String: Any]
        metadata["trainyard.pieces"] = String(
            decoding: try JSONSerialization.data(withJSONObject: pieces), as: UTF8.self)
        object["__metadata__"] = metadata
        var header = try JSONSerialization.data(withJSONObject: object)
        header = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
        try (header + bytes[length...]).write(to: file)
        manifest.files[0].bytes = header.count + end + 4 * count
        try #require(truncate(file.path, manifest.files[0].bytes) == 0)
        manifest.files[0].header = SHA256.digits(of: header)
        try manifest.text().write(to: URL(filePath: path + "/checkpoint.json"))
        let refused = try #require(throws: CheckpointProblem.self) {
            try CheckpointFolder(path: path).checkTensors(reads: true)
        }
        #expect(refused.error.description.contains("tensor zz is in more than"), "\(refused)")
        // Nor is a list of them made to look at the headers.
        let counted = try #require(throws: CheckpointProblem.self) {
            try CheckpointFolder(path: path).checkTensors(reads: false)
        }
        #expect(counted.error.description.contains("elements of tensor zz are missing"), "\(counted)")
    }

    @Test(arguments: ["state-00001-of-00001.safetensors", "checkpoint.json", "new.safetensors", "link"])
    func aCheckpointIsNotConvertedIntoItself(name: String) throws {
        let path = try save("step-000001", run: "one")
        var target = path + "/" + name
        if name == "link" {
            target = folder["link"]
            symlink(path + "/state-00001-of-00001.safetensors", target)
        }
        let refused = try #require(throws: TrainingError.self) {
            try CheckpointConversion.write(CheckpointFolder(path: path), to: target, state: false)
        }
        #expect(refused.description.contains("is a file of a checkpoint, or lies in one"))
        try CheckpointFolder(path: path).checkTensors(reads: true)
    }
}

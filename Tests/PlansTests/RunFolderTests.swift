import Foundation
import Models
import Plans
import Reading
import Schedules
import TestSupport
import Testing

@Suite struct RunFolderTests {
    @Test(arguments: [
        ("tiny-gpt", "tiny-gpt"), ("a/b c", "a-b-c"), ("../up", "-up"), ("...", "run"), ("", "run"),
        ("GPT 3.5", "GPT-3.5"),
    ]) func aNameIsTheNameOfAFolder(plan: String, folder: String) {
        #expect(RunFolder.name(of: plan) == folder)
    }

    @Test func aManifestIsReadAsWritten() throws {
        let folder = try TemporaryFolder()
        #expect(try RunManifest.read(folder: folder.path) == nil)
        var manifest = RunManifest(
            plan: "x", identity: "00ff", program: "trainyard-train 1", steps: 10, processes: 2, data: "/text",
            host: "here", process: 7, started: Date(timeIntervalSince1970: 1_000_000))
        manifest.checkpoints = [.init(step: 5, file: "checkpoints/step-000005.safetensors", bytes: 12, sha256: "ab")]
        try folder.write(manifest.json(), as: "manifest.json")
        #expect(try RunManifest.read(folder: folder.path) == manifest)
        try folder.write("{}", as: "manifest.json")
        #expect(throws: PlanProblems.self) { try RunManifest.read(folder: folder.path) }
    }

    /// Anybody can have written a manifest: only plain files that really lie in the folder are its own.
    @Test func namesThatLeadOutOfTheFolderAreNotItsOwn() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "own-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        for folder in ["run/checkpoints", "victim"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
        }
        for file in ["run/log", "run/checkpoints/one", "victim/file"] {
            try Data("x".utf8).write(to: URL(filePath: "\(root)/\(file)"))
        }
        symlink("../victim", "\(root)/run/out")
        symlink("../victim/file", "\(root)/run/link")
        symlink("checkpoints", "\(root)/run/in")
        mkfifo("\(root)/run/pipe", 0o600)
        let folder = root + "/run"
        for name in ["log", "checkpoints/one", "in/one"] {
            #expect(RunFolder.ownFile(name, in: folder) == "\(folder)/\(name)")
        }
        for name in [
            "../victim", "../victim/file", "checkpoints/../../victim/file", "\(root)/victim/file", "\(root)/run/log",
            "",
            ".", "./log", "checkpoints", "checkpoints/", "out/file", "link", "pipe", "none", "log\0",
        ] {
            #expect(RunFolder.ownFile(name, in: folder) == nil, "\(name)")
        }
    }

    @Test func aFolderIsLockedOnce() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "lock-\(UUID().uuidString)").path
        #expect(RunFolder.make(folder) == [folder] && RunFolder.make(folder) == [])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = try RunLock(folder: folder, tries: 1)
        #expect(throws: RunLock.Refusal.held(nil)) { try RunLock(folder: folder, tries: 1) }
        first.release()
        let named = try RunLock(folder: folder, holder: "process 7 of a host", tries: 1)
        #expect(throws: RunLock.Refusal.held("held by process 7 of a host")) { try RunLock(folder: folder, tries: 1) }
        named.release()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        // What a killed run leaves is no lock; what somebody else wrote stays.
        try Data("mine".utf8).write(to: URL(filePath: folder + "/" + RunLock.name))
        try RunLock(folder: folder, tries: 1).release()
        #expect(FileManager.default.contents(atPath: folder + "/" + RunLock.name) == Data("mine".utf8))
    }

    /// What is proposed for a model with too few layers can be run.
    @Test(
        arguments: [
            (6, 2, 4, .interleaved, "virtualStages can be at most 3"),
            (6, 4, 2, .interleaved, "pipeline can be at most 3"), (3, 2, 2, .zeroBubbleV, "raise model.layers to 4"),
            (3, 4, 2, .dualPipe, "pipeline can be at most 2"), (1, 2, 2, .dualPipe, "raise model.layers to 2"),
            (3, 4, 1, .oneForwardOneBackward, "pipeline can be at most 3"),
        ] as [(Int, Int, Int, ScheduleName, String)])
    func tooFewLayersAreMendedByWhatCanRun(
        layers: Int, pipeline: Int, stages: Int, schedule: ScheduleName, words: String
    ) {
        let model = Model(family: .gpt, layers: layers, hidden: 32, heads: 2, vocab: 256, sequence: 16)
        let layout = Layout(pipeline: pipeline, virtualStages: stages, schedule: schedule)
        let problems = layout.problems(for: model, batch: 64, devices: pipeline)
        #expect(problems.contains { $0.description.contains(words) }, "\(problems)")
    }
}

import Foundation
import Testing

/// A rank that cannot write ends the job with one line and exit code 1, under every kind of layout: the others, which
/// wait for it in one collective or another, must not keep it.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct FailingRankTests {
    /// What a layout splits, and how many ranks it takes.
    struct Kind: CustomTestStringConvertible {
        var layout: [String]
        var processes = 2
        var experts = false
        var testDescription: String { (layout + (experts ? ["experts"] : [])).joined(separator: ", ") }
    }

    static let kinds = [
        Kind(layout: ["data: 1"], processes: 1),
        Kind(layout: ["data: 2"]),
        Kind(layout: ["tensor: 2"]),
        Kind(layout: ["tensor: 2", "sequenceParallel: true"]),
        // Tied embeddings meet at the end of a step.
        Kind(layout: ["pipeline: 2"]),
        Kind(layout: ["pipeline: 2", "virtualStages: 2", "schedule: zbv"]),
        Kind(layout: ["pipeline: 2", "virtualStages: 2", "schedule: dualpipe"]),
        Kind(layout: ["pipeline: 2", "virtualStages: 2", "schedule: chimera", "sharding: parameters"]),
        Kind(layout: ["context: 2"]),
        Kind(layout: ["data: 2", "sharding: optimizer"]),
        Kind(layout: ["data: 2", "sharding: gradients"]),
        Kind(layout: ["data: 2", "sharding: parameters"]),
        Kind(layout: ["data: 2", "expert: 2"], experts: true),
        Kind(layout: ["data: 2", "expertTensor: 2"], experts: true),
        Kind(layout: ["tensor: 2", "data: 2", "expert: 2"], processes: 4, experts: true),
    ]

    static let fillable: [Kind] = FullDisk.isPossible ? kinds : []

    /// Every third kind: the same failure in another file, met at another place of a step.
    static func third(_ kinds: [Kind], from first: Int) -> [Kind] {
        stride(from: first, to: kinds.count, by: 3).map { kinds[$0] }
    }

    private func job(_ kind: Kind, train: [String] = []) throws -> TrainingJob {
        var shape = TrainingJob.Shape()
        shape.batch = 4
        shape.layers = kind.layout.contains { $0.hasPrefix("virtualStages") } ? 4 : 2
        shape.steps = TrainingJob.endlessSteps
        shape.layout = kind.layout
        shape.train = train
        if kind.experts {
            shape.model =
                "{family: llama, layers: 2, hidden: 32, heads: 2, ffn: 48, vocab: 256, sequence: 16, "
                + "moe: {experts: 4, topK: 2, ffn: 16}}"
        }
        return try TrainingJob(shape)
    }

    /// Runs a job that is to fail on `path`; mpirun would end one that hangs, with another exit code and its own words.
    private func expectFailure(
        _ job: TrainingJob, _ kind: Kind, _ arguments: [String], on path: String, saying words: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try BuiltProgram("trainyard-train").run(
            processes: kind.processes, [job.plan.path, "--quiet"] + arguments, timeout: 120, in: job.folder)
        #expect(outcome.exitCode == 1, "\(outcome.everything)", sourceLocation: sourceLocation)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count == 1, "\(outcome.everything)", sourceLocation: sourceLocation)
        #expect(outcome.errors.contains(path), "\(outcome.everything)", sourceLocation: sourceLocation)
        #expect(outcome.errors.contains(words), "\(outcome.everything)", sourceLocation: sourceLocation)
    }

    @Test(
        .enabled(if: FullDisk.isPossible, "a disk can only be filled by root with the right to mount"),
        arguments: fillable)
    func aFullDiskUnderACheckpoint(kind: Kind) throws {
        // Room for one checkpoint, which stays until the next is complete.
        let disk = try #require(FullDisk(bytes: 820_000))
        let job = try job(kind, train: ["checkpoint: {every: 1, path: \(disk.folder.path), keep: 1}"])
        try expectFailure(job, kind, [], on: disk.folder.path, saying: "No space left on device")
        // Half a checkpoint is none.
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.folder.path) == ["step-000001"])
    }

    @Test(
        .enabled(if: FullDisk.isPossible, "a disk can only be filled by root with the right to mount"),
        arguments: third(fillable, from: 1))
    func aFullDiskUnderALog(kind: Kind) throws {
        let disk = try #require(FullDisk(bytes: 4 << 10))
        try expectFailure(
            job(kind), kind, ["--log", disk.folder.path + "/log"], on: disk.folder.path,
            saying: "No space left on device")
    }

    @Test(
        .enabled(if: FullDisk.isPossible, "a disk can only be filled by root with the right to mount"),
        arguments: third(fillable, from: 2))
    func aFullDiskUnderAnEventFile(kind: Kind) throws {
        let disk = try #require(FullDisk(bytes: 4 << 10))
        try expectFailure(
            job(kind), kind, ["--tensorboard", disk.folder.path], on: disk.folder.path,
            saying: "No space left on device")
    }

    /// The run's folder on a full disk: its manifest cannot say how the run ended, the line does.
    @Test(
        .enabled(if: FullDisk.isPossible, "a disk can only be filled by root with the right to mount"),
        arguments: fillable.prefix(2))
    func aFullDiskUnderTheRunsFolder(kind: Kind) throws {
        let disk = try #require(FullDisk(bytes: 16 << 10))
        try expectFailure(
            job(kind), kind, ["--folder", disk.folder.path + "/run"], on: disk.folder.path,
            saying: "No space left on device")
    }

    @Test(arguments: third(kinds, from: 0)) func aFolderRemovedWhileItRuns(kind: Kind) throws {
        let job = try job(kind, train: ["checkpoint: {every: 5, keep: 1}"])
        let run = job.folder.appending(path: "run")
        let gone = job.folder.appending(path: "gone")
        let remover = Thread {
            for _ in 0..<600 {
                // The lock of the checkpoints' folder is there before the first step.
                let names = (try? FileManager.default.contentsOfDirectory(atPath: run.path + "/checkpoints")) ?? []
                if names.contains(where: { $0.hasPrefix("step-") }) {
                    // Moved out of the way at once: while it is removed file by file the run makes new ones.
                    try? FileManager.default.moveItem(at: run, to: gone)
                    try? FileManager.default.removeItem(at: gone)
                    return
                }
                usleep(100_000)
            }
        }
        remover.start()
        try expectFailure(job, kind, ["--folder", run.path], on: run.path, saying: "cannot be written")
    }

    @Test func aTextCutShortWhileItRuns() throws {
        let kind = Kind(layout: ["data: 2"])
        let job = try job(kind)
        let text = job.folder.path + "/text"
        let log = job.folder.appending(path: "runs/plan/log.jsonl")
        let cutter = Thread {
            for _ in 0..<600 {
                if let size = try? Data(contentsOf: log).count, size > 0 {
                    truncate(text, 100)
                    return
                }
                usleep(100_000)
            }
        }
        cutter.start()
        try expectFailure(job, kind, [], on: text, saying: "it was cut from 4096 to 100 bytes")
    }
}

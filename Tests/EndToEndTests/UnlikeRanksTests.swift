import Foundation
import TestSupport
import Testing

/// Ranks that were not started alike say so, in one line with exit code 2, before they have anything to do with one
/// another.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct UnlikeRanksTests {
    private func shape(_ change: (inout TrainingJob.Shape) -> Void = { _ in }) -> TrainingJob.Shape {
        var shape = TrainingJob.Shape()
        shape.steps = 3
        shape.layout = ["data: 2"]
        change(&shape)
        return shape
    }

    /// Runs rank 0 with `here` and rank 1 with `there`.
    private func outcome(
        _ here: TrainingJob, _ there: TrainingJob, program: URL? = nil, _ arguments: [String] = []
    ) throws -> BuiltProgram.Outcome {
        let own = try BuiltProgram("trainyard-train")
        return try own.run(
            ranks: [
                (own.url, [here.plan.path, "--quiet"]),
                (program ?? own.url, [there.plan.path, "--quiet"] + arguments),
            ], in: here.folder)
    }

    private func expectRefusal(
        _ outcome: BuiltProgram.Outcome, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.exitCode == 2, "\(outcome.everything)", sourceLocation: sourceLocation)
        #expect(outcome.errors.contains(words), "\(outcome.everything)", sourceLocation: sourceLocation)
        #expect(
            outcome.errors.split(separator: "\n").count == 1, "\(outcome.everything)", sourceLocation: sourceLocation)
    }

    @Test func anotherPlanIsNoticed() throws {
        let here = try TrainingJob(shape())
        let cases: [(String, (inout TrainingJob.Shape) -> Void)] = [
            ("train.seed: 2 on rank 1, 1 on rank 0", { $0.train = ["seed: 2"] }),
            ("model.ffn: 256 on rank 1, 128 on rank 0", { $0.hidden = 64 }),
            ("model.layers: 3 on rank 1, 6 on rank 0", { $0.layers = 3 }),
            ("train.steps: 400 on rank 1, 3 on rank 0", { $0.steps = 400 }),
            ("batch: 16 on rank 1, 8 on rank 0", { $0.batch = 16 }),
            ("layout.data: 1 on rank 1, 2 on rank 0", { $0.layout = ["pipeline: 2"] }),
            ("train.learningRate", { $0.learningRate = "1e-2" }),
            // Every rank takes part in a checkpoint.
            ("train.checkpoint.every: 2 on rank 1, not set on rank 0", { $0.train = ["checkpoint: {every: 2}"] }),
        ]
        for (words, change) in cases {
            var other = shape(change)
            // The last of two seeds would be refused: the file is written without the usual one.
            let seed = other.train.contains { $0.hasPrefix("seed") }
            if seed { other.train = [] }
            let there = try TrainingJob(other)
            if seed {
                let text = try String(contentsOf: there.plan, encoding: .utf8).replacing("seed: 1", with: "seed: 2")
                try Data(text.utf8).write(to: there.plan)
            }
            expectRefusal(try outcome(here, there), words)
        }
        // Where files lie may differ.
        #expect(try outcome(here, TrainingJob(shape())).exitCode == 0)
        expectRefusal(
            try outcome(here, TrainingJob(shape()), ["--profile"]), "--profile: set on rank 1, not set on rank 0")
    }

    @Test func anotherTextIsNoticed() throws {
        var text = formulaText(count: 4096)
        let here = try TrainingJob(shape(), text: text)
        expectRefusal(
            try outcome(here, TrainingJob(shape(), text: text + [65])), "another text than rank 0 (4097 bytes")
        text[2000] ^= 1
        expectRefusal(try outcome(here, TrainingJob(shape(), text: text)), "of as many bytes, with other content")
    }

    @Test func anotherProgramIsNoticed() throws {
        let job = try TrainingJob(shape())
        let other = job.folder.appending(path: "trainyard-train")
        var bytes = try Data(contentsOf: BuiltProgram("trainyard-train").url)
        // Behind the program's last section: it does the same.
        bytes.append(0)
        try bytes.write(to: other)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: other.path)
        expectRefusal(try outcome(job, job, program: other), "rank 1 runs another build of trainyard-train than rank 0")
    }
}

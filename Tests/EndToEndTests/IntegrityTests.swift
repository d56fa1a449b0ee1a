import Foundation
import TestSupport
import Testing

/// Bits that turn in memory, numbers that are none, and files that are spoilt.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct IntegrityTests {
    private func shape(_ layout: String, checkpoint: String?, _ train: [String]) -> TrainingJob.Shape {
        var shape = TrainingJob.Shape()
        (shape.layers, shape.steps, shape.layout) = (2, 16, [layout])
        shape.train = (checkpoint.map { ["checkpoint: \($0)"] } ?? []) + train
        return shape
    }

    private func job(
        _ layout: String, checkpoint: String? = "{every: 5, keep: 3}", _ train: [String] = []
    ) throws -> TrainingJob {
        try TrainingJob(shape(layout, checkpoint: checkpoint, train))
    }

    private func train(_ job: TrainingJob, _ arguments: [String]) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard-train").run(
            processes: 2, [job.plan.path, "--quiet"] + arguments, in: job.folder)
    }

    private func log(_ run: String, in job: TrainingJob) throws -> String {
        try String(contentsOf: job.folder.appending(path: run + "/log.jsonl"), encoding: .utf8)
    }

    /// Losses by step. A skipped step has none.
    private func losses(_ run: String, in job: TrainingJob) throws -> [Double?] {
        struct Line: Decodable { var step: Int, loss: Double? }
        let lines = try log(run, in: job).split(separator: "\n").map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
        #expect(lines.map(\.step) == Array(0..<lines.count))
        return lines.map(\.loss)
    }

    private func weights(_ name: String, in job: TrainingJob) throws -> Data {
        try Data(contentsOf: job.folder.appending(path: name))
    }

    /// 108 bits in 18 layouts, in one job: `Tests/RuntimeChecks/FlipChecks.swift`.
    @Test func turnedBitsAreNoticedNamedAndHealedInEveryLayout() throws {
        let outcome = try BuiltProgram("runtime-checks").run(processes: 4, ["flip"], timeout: 300)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(
            outcome.output.split(separator: "\n").filter { $0.hasPrefix("ok") && $0.hasSuffix("to the bit") }.count
                == 18)
        #expect(outcome.output.contains("108 bits turned"), "\(outcome.everything)")
    }

    /// Spoilt checkpoints of four layouts, in one job: `Tests/RuntimeChecks/DamageChecks.swift`.
    @Test func spoiltCheckpointsNeverBeginWrong() throws {
        let outcome = try BuiltProgram("runtime-checks").run(processes: 4, ["damage", "48"], timeout: 300)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.output.contains("48 checkpoints spoilt"), "\(outcome.everything)")
    }

    @Test func aReplicaHealsAndTheStepIsDoneAgain() throws {
        let job = try job("data: 2", checkpoint: nil)
        try #require(try train(job, ["--folder", "whole", "--save", "whole.safetensors"]).exitCode == 0)
        let flips = [
            "flip,step=3,rank=1,tensor=h.1.mlp.c_fc.weight,element=7,bit=22",
            "flip,step=9,rank=0,tensor=h.0.ln_1.weight.exp_avg_sq,element=2,bit=3",
        ]
        let outcome = try train(
            job, ["--folder", "run", "--save", "run.safetensors"] + flips.flatMap { ["--inject", $0] })
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        for words in [
            "note: element 7 of h.1.mlp.c_fc.weight on rank 1 changed by itself (1 bit, ",
            "note: element 2 of h.0.ln_1.weight.exp_avg_sq on rank 0 changed by itself (1 bit, ",
            "; healed from rank 1",
        ] {
            #expect(outcome.errors.contains(words), "\(outcome.errors)")
        }
        #expect(try losses("run", in: job) == losses("whole", in: job))
        #expect(try weights("run.safetensors", in: job) == weights("whole.safetensors", in: job))
    }

    @Test(arguments: ["{every: 5, keep: 3}", "{every: 2, keep: 2, asynchronous: true}"])
    func withoutAReplicaTheRunGoesBack(checkpoint: String) throws {
        let job = try job("pipeline: 2", checkpoint: checkpoint)
        try #require(try train(job, ["--folder", "whole", "--save", "whole.safetensors"]).exitCode == 0)
        let outcome = try train(
            job,
            [
                "--folder", "run", "--save", "run.safetensors", "--tensorboard", "board", "--log", "more.jsonl",
                "--inject", "flip,step=7,rank=1,tensor=h.1.mlp.c_fc.weight.exp_avg",
                "--inject", "flip,step=12,rank=0,tensor=h.0.ln_1.weight",
            ])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(
            outcome.errors.contains(
                "of h.1.mlp.c_fc.weight.exp_avg on rank 1 changed by themselves; going back to the checkpoint after step"
            ),
            "\(outcome.errors)")
        #expect(try losses("run", in: job) == losses("whole", in: job))
        #expect(
            try log("run", in: job) == String(contentsOf: job.folder.appending(path: "more.jsonl"), encoding: .utf8))
        #expect(try weights("run.safetensors", in: job) == weights("whole.safetensors", in: job))
        let board = try FileManager.default.contentsOfDirectory(atPath: job.folder.path + "/board")
        let bytes = try Data(contentsOf: job.folder.appending(path: "board/" + (board.first ?? "")))
        #expect(board.count == 1 && bytes.ranges(of: Data("train/loss".utf8)).count == 16)
    }

    /// Rows of a table that were first used after the checkpoint: its moments there are zero again.
    @Test func aLaterStateLeavesNothingBehind() throws {
        var shape = shape("data: 1", checkpoint: "{every: 4, keep: 3}", [])
        (shape.tied, shape.steps) = (false, 10)
        // Batches of 128 bytes: six of some bytes, then others, far from the first.
        var text: [UInt8] = []
        for place in 0..<2048 { text.append(UInt8(place < 768 ? 32 + place * 7 % 32 : 200 + place * 5 % 32)) }
        let job = try TrainingJob(shape, text: text)
        func train(_ arguments: [String]) throws -> BuiltProgram.Outcome {
            try BuiltProgram("trainyard-train").run(
                processes: 1, [job.plan.path, "--quiet"] + arguments, in: job.folder)
        }
        try #require(try train(["--folder", "whole", "--save", "whole.safetensors"]).exitCode == 0)
        let back = try train(
            ["--folder", "back", "--save", "back.safetensors", "--inject", "flip,step=7,tensor=ln_f.weight,element=4"])
        #expect(
            back.exitCode == 0 && back.errors.contains("going back to the checkpoint after step 4"),
            "\(back.everything)")
        #expect(try weights("back.safetensors", in: job) == weights("whole.safetensors", in: job))
        // The newer checkpoints are read first, and spoilt.
        for step in ["step-000010", "step-000008"] {
            let file = job.folder.appending(path: "back/checkpoints/\(step)/state-00001-of-00001.safetensors")
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count - 100] ^= 4
            try bytes.write(to: file)
        }
        let resumed = try train(["--folder", "back", "--resume", "--save", "resumed.safetensors"])
        #expect(
            resumed.exitCode == 0 && resumed.errors.contains("going on from the older step-000004"),
            "\(resumed.everything)")
        #expect(try weights("resumed.safetensors", in: job) == weights("whole.safetensors", in: job))
    }

    @Test func theMajorityHealsWhatTurnedBetweenTwoChecks() throws {
        var shape = shape("data: 4", checkpoint: nil, ["stateCheck: {every: 3}"])
        shape.steps = 6
        let job = try TrainingJob(shape)
        let flip = "flip,step=1,rank=1,tensor=h.1.mlp.c_fc.weight,element=3,bit=9"
        let outcome = try BuiltProgram("trainyard-train").run(
            processes: 4, [job.plan.path, "--quiet", "--folder", "run", "--inject", flip], in: job.folder)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        let notes = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("note: ") }
        #expect(notes.count == 1, "\(outcome.errors)")
        #expect(
            notes.first?.hasPrefix("note: element 3 of h.1.mlp.c_fc.weight on rank 1 changed by itself") == true
                && notes.first?.hasSuffix("; healed from rank 0") == true, "\(outcome.errors)")
    }

    @Test func whatNothingHealsEndsTheRun() throws {
        let job = try job("pipeline: 2", checkpoint: nil)
        let flip = "flip,step=3,rank=1,tensor=h.1.mlp.c_fc.weight"
        let outcome = try train(job, ["--folder", "run", "--inject", flip])
        #expect(outcome.exitCode == 1, "\(outcome.everything)")
        #expect(
            outcome.errors.contains(
                "of h.1.mlp.c_fc.weight on rank 1 changed by themselves; no replica and no checkpoint has healed it"),
            "\(outcome.errors)")
        try job.write(shape("pipeline: 2", checkpoint: nil, ["stateCheck: off"]))
        #expect(try train(job, ["--folder", "unchecked", "--inject", flip]).exitCode == 0)
    }

    @Test func stepsWithoutNumbersAreSkipped() throws {
        let job = try job("data: 2", ["maxSkippedSteps: 2"])
        func nan(_ steps: ClosedRange<Int>) -> [String] { steps.flatMap { ["--inject", "nan,step=\($0),rank=1"] } }
        let outcome = try train(job, ["--folder", "run"] + nan(7...8) + nan(11...11))
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.errors.contains("note: step 8 is skipped, the weights stay as they are"), "\(outcome.errors)")
        let losses = try losses("run", in: job)
        #expect(losses.indices.filter { losses[$0] == nil } == [7, 8, 11])
        #expect(try log("run", in: job).contains("\"loss\":null") && log("run", in: job).contains("\"skipped\":true"))
        // Goes on with as many skipped steps as it had.
        try FileManager.default.removeItem(at: job.folder.appending(path: "run/checkpoints/step-000016"))
        let resumed = try train(job, ["--folder", "run", "--resume"] + nan(11...11))
        #expect(resumed.exitCode == 0, "\(resumed.everything)")
        #expect(try self.losses("run", in: job) == losses)
        let long = try train(job, ["--folder", "ended"] + nan(7...9))
        #expect(long.exitCode == 1, "\(long.everything)")
        #expect(long.errors.contains("the last good state is the checkpoint"), "\(long.errors)")
        #expect(long.errors.contains("step-000005\n") && long.errors.contains("step 10: loss"), "\(long.errors)")
    }

    @Test(arguments: [
        ("smash,step=1", "'smash' is none of flip, kill, stop, fail, slow, nan"), ("flip", "step= is missing"),
        ("flip,step=x", "step takes 0 to"), ("flip,step=1,step=2", "'step' is given twice"),
        ("kill,step=1,bit=3", "'bit=3' is none of the keys of kill"), ("flip,step=1,bit=32", "bit takes 0 to 31"),
        ("slow,step=1,seconds=-1", "seconds takes 0 to 86,400"), ("flip,step=1,rank=9", "there is no rank 9"),
        ("kill,step=16", "the run ends before: it has 16 steps, from 0 to 15"),
        ("flip,step=3,tensor=nope", "rank 0 holds no nope"),
        ("flip,step=3,tensor=wte.weight,element=9999999", "element takes 0 to"),
        ("", "'' is none of"),
    ])
    func injectionsThatSayNothing(text: String, words: String) throws {
        let job = try job("data: 2")
        let outcome = try train(job, ["--folder", "run", "--inject", text])
        #expect(outcome.exitCode == 2 && outcome.errors.contains(words), "\(outcome.everything)")
        #expect(!FileManager.default.fileExists(atPath: job.folder.path + "/run"))
    }

    @Test func aRankThatFailsOnPurposeEndsTheJob() throws {
        let job = try job("data: 2")
        let outcome = try train(job, ["--folder", "run", "--inject", "fail,step=6,rank=1"])
        #expect(outcome.exitCode == 1 && outcome.errors.contains("rank 1: failed on purpose"), "\(outcome.everything)")
        let killed = try train(job, ["--folder", "killed", "--inject", "kill,step=6,rank=1"])
        #expect(
            killed.exitCode != 0 && killed.errors.contains("rank 1 is killed in step 6 (from 0)"),
            "\(killed.everything)")
    }
}

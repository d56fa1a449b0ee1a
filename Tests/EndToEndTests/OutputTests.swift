import Foundation
import TestSupport
import Testing

/// What the built programs do where their output cannot be written, or is no regular file.
@Suite struct OutputTests {
    /// Runs `trainyard ARGUMENTS` with a shell's redirections.
    private func shell(
        _ arguments: String, program: String = "trainyard", in folder: URL = BuiltProgram.root
    ) throws -> BuiltProgram.Outcome {
        let path = try BuiltProgram(program).url.path
        return try BuiltProgram.run(
            URL(filePath: "/bin/bash"), ["-c", "set -o pipefail; '\(path)' \(arguments)"], in: folder)
    }

    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")),
        arguments: [
            "schedule 1f1b", "schedule 1f1b --json", "simulate", "--help", "plan --help", "--version",
            "plan plans/gpt3-175b-64-a100.yaml", "--generate-completion-script bash",
        ])
    func aFullDiskIsSaid(_ arguments: String) throws {
        let outcome = try shell(arguments + " > /dev/full")
        #expect(outcome.exitCode == 1, "\(outcome.everything)")
        #expect(outcome.errors.hasSuffix("error: cannot write standard output: No space left on device\n"))
        let closed = try shell(arguments + " >&-")
        #expect(closed.exitCode == 1, "\(closed.everything)")
        #expect(closed.errors.hasSuffix("error: cannot write standard output: Bad file descriptor\n"))
        // Where standard error is gone too, there is nowhere to say so.
        for elsewhere in ["> /dev/full 2>&1", ">&- 2>&-", "> /dev/full 2>&-"] {
            #expect(try shell("\(arguments) \(elsewhere)").exitCode == 1, "\(arguments) \(elsewhere)")
        }
    }

    @Test(arguments: ["2>&-", "2> /dev/full"])
    func aClosedStandardErrorDoesNotMatter(_ redirection: String) throws {
        for (arguments, code) in [
            ("no-such-command", 2), ("plan no-such-file", 2), ("schedule 1f1b --ranks 0", 2), ("schedule 1f1b", 0),
            ("search plans/100b-3t-1024.yaml --top 1 --tensor 8 --pipeline 8", 0),
        ] {
            let outcome = try shell("\(arguments) \(redirection)")
            #expect(outcome.exitCode == Int32(code), "\(arguments): \(outcome.everything)")
        }
        // The file that is opened next is not taken for standard error.
        let folder = try TemporaryFolder()
        #expect(try shell("simulate --svg \(folder["out.svg"]) >&- \(redirection)").exitCode == 1)
        #expect(try folder.read("out.svg").hasPrefix("<svg"))
    }

    /// As the field's programs end: by the signal, without a word.
    @Test func aReaderThatGoesEndsTheProgramQuietly() throws {
        let outcome = try shell("schedule 1f1b --ranks 64 --microbatches 4096 | head -c 10")
        #expect(outcome.exitCode == 128 + SIGPIPE)
        #expect(outcome.errors.isEmpty, "\(outcome.errors)")
    }

    @Test func standardOutputIsAFileToo() throws {
        let outcome = try shell("simulate --svg /dev/stdout --json")
        #expect(outcome.exitCode == 0)
        #expect(outcome.output.contains("</svg>"))
        #expect(outcome.output.contains("\"makespan\""))
    }

    @Test func unwritablePathsAreRefusedBeforeTheWork() throws {
        let plan = "plans/100b-3t-1024.yaml"
        for arguments in [
            "simulate --svg /nowhere/x", "simulate --trace Sources", "sweep \(plan) --devices 8..16 --svg /nowhere/x",
            "validate --svg /nowhere/x", "calibrate --out /nowhere/x", "train plans/tiny-gpt.yaml --svg /nowhere/x",
            "train plans/tiny-gpt.yaml --loss-svg Sources", "train plans/tiny-gpt.yaml --log /nowhere/x",
        ] {
            let outcome = try shell(arguments)
            #expect(outcome.exitCode == 2, "\(arguments): \(outcome.everything)")
            #expect(outcome.errors.contains("cannot write "), "\(arguments): \(outcome.errors)")
            #expect(outcome.output.isEmpty, "\(arguments): \(outcome.output)")
        }
    }

    @Test(
        .enabled(if: BuiltProgram.mpirun != nil && FileManager.default.fileExists(atPath: "/dev/full"))
    )
    func theTrainingProgramDoesTheSame() throws {
        for arguments in ["--help", "generate --help"] {
            let outcome = try shell(arguments + " > /dev/full", program: "trainyard-train")
            #expect(outcome.exitCode == 1)
            #expect(outcome.errors == "trainyard-train: cannot write standard output: No space left on device\n")
        }
        #expect(try shell("--nonsense 2>&-", program: "trainyard-train").exitCode == 2)
        #expect(try shell("generate no-such-file 2> /dev/full", program: "trainyard-train").exitCode == 2)
    }

    /// Notes of a real run, and the words of its ranks, which the launcher passes on.
    @Test(
        .enabled(if: BuiltProgram.mpirun != nil && FileManager.default.fileExists(atPath: "/dev/full")),
        arguments: ["2>&-", "2> /dev/full"])
    func aRunGoesOnWithoutStandardError(_ redirection: String) throws {
        var shape = TrainingJob.Shape()
        shape.steps = 2
        // Prices alone, which a run notes.
        shape.layout = ["shardGroup: 1"]
        let job = try TrainingJob(shape, text: formulaText(count: 4096))
        let plan = "'\(job.plan.path)' --overwrite --folder '\(job.folder.path)/run'"
        let noted = try shell(plan, program: "trainyard-train")
        #expect(noted.exitCode == 0, "\(noted.everything)")
        #expect(noted.errors.hasPrefix("note: layout.shardGroup 1 does nothing"), "\(noted.errors)")
        for (program, arguments) in [("trainyard-train", plan), ("trainyard", "train " + plan)] {
            let outcome = try shell("\(arguments) \(redirection)", program: program)
            #expect(outcome.exitCode == 0, "\(program): \(outcome.everything)")
        }
    }

    /// A pipe, a device and standard output as the log of a real run: each stays what it is and gets every step.
    @Test(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed"))
    func aRunWritesThroughPipesAndDevices() throws {
        var shape = TrainingJob.Shape()
        shape.steps = 2
        let job = try TrainingJob(shape, text: formulaText(count: 4096))
        let pipe = job.folder.appending(path: "pipe").path
        let copy = job.folder.appending(path: "copy").path
        mkfifo(pipe, 0o600)
        let plan = job.folder.appending(path: "plan.yaml").path
        let outcome = try shell(
            "train '\(plan)' --quiet --log '\(pipe)' & cat '\(pipe)' > '\(copy)'; wait $!", in: job.folder)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(try String(contentsOfFile: copy, encoding: .utf8).split(separator: "\n").count == 2)
        var status = stat()
        #expect(lstat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
        let shown = try shell("train '\(plan)' --log /dev/stdout", in: job.folder)
        #expect(shown.exitCode == 0, "\(shown.everything)")
        #expect(shown.output.split(separator: "\n").filter { $0.hasPrefix("{") }.count == 2, "\(shown.output)")
        #expect(shown.output.contains("predicted / measured"))
    }
}

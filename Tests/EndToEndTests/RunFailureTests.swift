import Foundation
import TestSupport
import Testing

/// What a real run does with bad input, and with ranks that die.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct RunFailureTests {
    private func job(_ change: (inout TrainingJob.Shape) -> Void = { _ in }, text: [UInt8] = formulaText(count: 4096))
        throws -> TrainingJob
    {
        var shape = TrainingJob.Shape()
        shape.steps = 2
        change(&shape)
        return try TrainingJob(shape, text: text)
    }

    /// Runs a job that must fail with exit code 2, and returns the ranks' own words.
    private func refusal(
        _ job: TrainingJob, processes: Int, _ arguments: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let outcome = try job.launch(processes: processes, ["--quiet"] + arguments)
        #expect(outcome.exitCode == 2, "\(outcome.everything)", sourceLocation: sourceLocation)
        return outcome.errors
    }

    @Test func anotherNumberOfProcessesIsRefused() throws {
        let words = try refusal(job { $0.layout = ["pipeline: 2"] }, processes: 3)
        #expect(words.contains("started as 3 processes, the plan's layout needs 2 (pipeline 2 × data 1)"))
    }

    /// What the runtime does in one way alone is refused in another, in one line.
    @Test func keysThatARunCannotObeyAreRefused() throws {
        for (line, words) in [
            ("flashAttention: false", "layout.flashAttention: must be true in a real run"),
            ("gradients: bf16", "layout.gradients: must be fp32 in a real run"),
            ("overlap: {data: false}", "layout.overlap.data: must be true in a real run"),
        ] {
            let said = try refusal(job { $0.layout = [line] }, processes: 1)
            #expect(said.contains(words), "\(said)")
        }
    }

    @Test func textThatCannotServeIsRefused() throws {
        #expect(try refusal(job(text: []), processes: 1).contains("text: the file is empty"))
        #expect(
            try refusal(job(text: Array(repeating: 65, count: 16)), processes: 1)
                .contains("16 bytes of text, at least 17 are needed"))
        // Just one sequence and its last target.
        #expect(try job(text: Array(repeating: 65, count: 17)).train(processes: 1).count == 2)
        let missing = try refusal(job(), processes: 1, ["--data", "/nowhere/text"])
        #expect(missing.contains("/nowhere/text: No such file or directory"))
    }

    @Test func recordsThatCannotBeWrittenAreRefusedAtOnce() throws {
        for flag in ["--log", "--trace", "--save", "--tensorboard"] {
            let path = flag == "--tensorboard" ? "/proc/board" : "/nowhere/file"
            let words = try refusal(job(), processes: 1, [flag, path])
            #expect(words.contains(path), "\(words)")
        }
        let blocked = try job()
        let file = blocked.folder.appending(path: "occupied")
        try Data().write(to: file)
        var shape = TrainingJob.Shape()
        shape.train = ["checkpoint: {every: 1, path: \(file.path)/checkpoints, keep: 1}"]
        try blocked.write(shape)
        #expect(try refusal(blocked, processes: 1).contains("cannot make this directory for checkpoints"))
    }

    /// What does not divide ends with exit code 3, whether the plan's reader or the run itself finds it.
    @Test func whatDoesNotDivideIsNamed() throws {
        let experts =
            "{family: llama, layers: 6, hidden: 32, heads: 2, ffn: 48, vocab: 256, sequence: 16, "
            + "moe: {experts: 4, topK: 2, ffn: 16}}"
        let odd = "{family: gpt, layers: 6, hidden: 32, heads: 2, vocab: 257, sequence: 16}"
        let cases: [(model: String?, layout: [String], processes: Int, words: String)] = [
            (nil, ["tensor: 3"], 3, "layout.tensor: must divide model.heads 2 (found 3)"),
            (
                odd, ["tensor: 2"], 2,
                "layout.tensor: must divide model.vocab 257: every rank holds a slice of it (found 2)"
            ),
            (nil, ["context: 3"], 3, "layout.context: twice context must divide model.sequence 16 (found 3)"),
            (
                nil, ["tensor: 2", "context: 3", "sequenceParallel: true"], 6,
                "tensor · context 6 must divide model.sequence 16"
            ),
            (nil, ["pipeline: 3", "schedule: dualpipe"], 3, "dualpipe needs an even number of ranks, not 3"),
            (
                nil, ["pipeline: 2", "schedule: interleaved-1f1b", "virtualStages: 4"], 2,
                "8 stages need at least as many"
            ),
            (
                nil, ["pipeline: 4", "schedule: dualpipe", "data: 2"], 8,
                "dualpipe needs at least 2 · ranks = 8 micro-batches"
            ),
            (
                nil, ["pipeline: 2", "data: 8", "schedule: chimera", "sharding: parameters"], 16,
                "layout.sharding: needs an even number of micro-batches with chimera, not 1"
            ),
            (
                nil, ["data: 4", "sharding: parameters", "shardGroup: 2"], 4,
                "layout.shardGroup: must be data · context, 4, in a real run"
            ),
            (nil, ["data: 2", "expert: 2"], 2, "layout.expert: the model has no experts to spread (found 2)"),
            (experts, ["data: 3", "expert: 3"], 3, "must divide model.moe.experts 4"),
            (
                experts, ["data: 2", "expert: 4"], 2,
                "layout.expert: expert · expertTensor 4 · 1 must divide the 2 ranks"
            ),
            (
                experts, ["data: 3", "expertTensor: 3"], 3,
                "layout.expertTensor: must divide model.moe.ffn 16 (found 3); use 2 or 4"
            ),
            (
                experts, ["tensor: 2", "data: 1", "expert: 2", "expertTensor: 2"], 2,
                "layout.expert: expert · expertTensor 2 · 2 must divide the 2 ranks"
            ),
            (
                experts.replacing("ffn: 16}", with: "ffn: 16, shared: 1, sharedFfn: 9}"), ["tensor: 2"], 2,
                "layout.tensor: must divide the shared experts' 9 columns (moe.shared · moe.sharedFfn) (found 2)"
            ),
        ]
        for (model, layout, processes, expected) in cases {
            let outcome = try job {
                $0.model = model
                $0.layout = layout
            }.launch(processes: processes, ["--quiet"])
            #expect(outcome.exitCode == 3, "\(layout): \(outcome.everything)")
            #expect(outcome.errors.contains(expected), "\(layout): \(outcome.everything)")
        }
    }

    /// bf16 trains where the processor multiplies it, and is refused in one line elsewhere.
    @Test func bf16NeedsItsProcessor() throws {
        let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let outcome = try job {
            $0.precision = "bf16"
            $0.layout = ["pipeline: 2"]
        }.launch(processes: 2, ["--quiet"])
        if processor.contains("avx512_bf16") {
            #expect(outcome.exitCode == 0, "\(outcome.everything)")
        } else {
            #expect(outcome.exitCode == 2, "\(outcome.everything)")
            #expect(outcome.errors.contains("this processor does not multiply bf16 numbers"), "\(outcome.everything)")
        }
    }

    @Test func whatTheRuntimeCannotDoIsNamed() throws {
        let sizes = "layers: 6, hidden: 32, heads: 2, ffn: 48, vocab: 256, sequence: 16"
        let cases: [(model: String, words: String)] = [
            ("{family: gpt, \(sizes), kvHeads: 1}", "model.kvHeads: 1 cannot be run"),
            ("{family: gpt, \(sizes), mlp: swiglu}", "model.mlp: swiglu cannot be run"),
            ("{family: llama, \(sizes), mlp: gelu}", "model.mlp: gelu cannot be run"),
            ("{family: llama, \(sizes), headSize: 15}", "model.headSize: 15 cannot be run"),
            ("{family: gpt, \(sizes), moe: {experts: 2, topK: 1, ffn: 16}}", "model.moe: (given) cannot be run"),
            (
                "{family: llama, \(sizes), mla: {kvRank: 8, nopeSize: 8, ropeSize: 8, valueSize: 8}}",
                "model.mla: (given) cannot be run"
            ),
        ]
        for (model, expected) in cases {
            let words = try refusal(job { $0.model = model }, processes: 1)
            #expect(words.contains(expected), "\(words)")
        }
    }

    @Test func aRunThatDivergesSaysSo() throws {
        let job = try job {
            $0.learningRate = "1000"
            $0.steps = 20
        }
        let outcome = try job.launch(processes: 1, ["--quiet"])
        #expect(outcome.exitCode == 1, "\(outcome.everything)")
        #expect(outcome.errors.contains("the run diverged"), "\(outcome.everything)")
    }

    /// A rank killed in the middle ends the job within seconds, with nothing left behind.
    @Test(arguments: [SIGKILL, SIGTERM]) func aKilledRankEndsTheJob(signal: Int32) throws {
        let job = try job {
            $0.steps = TrainingJob.endlessSteps
            $0.layout = ["pipeline: 2"]
        }
        let before = Leftovers.sharedMemory()
        let running = try BuiltProgram("trainyard-train").start(
            processes: 2, [job.plan.path, "--quiet", "--log", job.metrics.path], in: job.folder)
        defer { running.terminate() }
        let ranks = try Leftovers.waitForRanks(of: job.plan.path, count: 2, metrics: job.metrics)
        #expect(kill(ranks[1], signal) == 0)
        try #require(Leftovers.ends(running, withinSeconds: 20))
        #expect(running.terminationStatus != 0)
        #expect(Leftovers.ranks(of: job.plan.path).isEmpty)
        #expect(Leftovers.staying(since: before).isEmpty)
    }

    /// Ctrl-C of `trainyard train` ends mpirun and its ranks.
    @Test func anInterruptedLauncherLeavesNothing() throws {
        let job = try job {
            $0.steps = TrainingJob.endlessSteps
            $0.layout = ["pipeline: 2"]
        }
        let before = Leftovers.sharedMemory()
        let running = try BuiltProgram("trainyard").start(
            [
                "train", job.plan.path, "--quiet", "--log", job.metrics.path,
            ], in: job.folder)
        defer { running.terminate() }
        _ = try Leftovers.waitForRanks(of: job.plan.path, count: 2, metrics: job.metrics)
        running.interrupt()
        try #require(Leftovers.ends(running, withinSeconds: 20))
        #expect(running.terminationStatus != 0)
        #expect(Leftovers.ranks(of: job.plan.path).isEmpty)
        #expect(Leftovers.staying(since: before).isEmpty)
    }
}

/// What a job may leave on the machine.
enum Leftovers {
    /// Open MPI's shared-memory files.
    static func sharedMemory() -> Set<String> {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/dev/shm")) ?? []
        return Set(names.filter { $0.hasPrefix("vader_segment") })
    }

    /// Files that appeared after `before` and stay. Other tests' jobs run at the same time; theirs go when they end.
    static func staying(since before: Set<String>) -> Set<String> {
        var suspects = sharedMemory().subtracting(before)
        for _ in 0..<300 where !suspects.isEmpty {
            usleep(100_000)
            suspects.formIntersection(sharedMemory())
        }
        return suspects
    }

    /// Running ranks whose arguments name `plan`.
    static func ranks(of plan: String) -> [pid_t] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.compactMap(pid_t.init).filter { process in
            guard let data = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { return false }
            let words = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.first?.hasSuffix("/trainyard-train") == true && words.contains(plan)
        }.sorted()
    }

    /// The ranks of a job, once all run and the first steps are logged.
    static func waitForRanks(of plan: String, count: Int, metrics: URL) throws -> [pid_t] {
        for _ in 0..<600 {
            let found = ranks(of: plan)
            let logged = (try? Data(contentsOf: metrics).count) ?? 0
            if found.count == count, logged > 0 { return found }
            usleep(100_000)
        }
        Issue.record("the job did not start within a minute")
        throw CocoaError(.fileNoSuchFile)
    }

    /// The signals that a process's first thread does not take, a bit each; nil where the process is gone.
    static func blockedSignals(ofFirstThreadOf process: pid_t) -> UInt64? {
        let text = try? String(contentsOfFile: "/proc/\(process)/task/\(process)/status", encoding: .utf8)
        return text?.firstMatch(of: /SigBlk:\s*([0-9a-f]+)/).flatMap { UInt64($0.1, radix: 16) }
    }

    static func ends(_ process: Process, withinSeconds seconds: Int) -> Bool {
        for _ in 0..<seconds * 10 where process.isRunning { usleep(100_000) }
        return !process.isRunning
    }
}

import Foundation
import TestSupport
import Testing

/// `trainyard train`, `generate` and `calibrate` as a user calls them.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct TrainCommandTests {
    @Test func trainsComparesAndGenerates() throws {
        var shape = TrainingJob.Shape()
        shape.steps = 4
        shape.layout = ["pipeline: 2", "schedule: 1f1b"]
        let job = try TrainingJob(shape)
        shape.train = ["checkpoint: {every: 2, path: \(job.folder.path)/run, keep: 1}"]
        try job.write(shape)
        let trace = job.folder.appending(path: "trace.json")
        let outcome = try BuiltProgram("trainyard").run(
            [
                "train", job.plan.path, "--log", job.metrics.path, "--trace", trace.path,
                "--svg", job.folder.appending(path: "t.svg").path,
            ], in: job.folder)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        for words in ["Loss, 4 steps", "predicted / measured", "pipeline bubble", "(measured)", "peak memory by rank"] {
            #expect(outcome.output.contains(words), "\(words): \(outcome.everything)")
        }
        #expect(outcome.errors.contains("step 4/4"))
        let svg = try String(contentsOf: job.folder.appending(path: "t.svg"), encoding: .utf8)
        #expect(svg.hasPrefix("<svg") || svg.hasPrefix("<?xml"))

        // The launcher and mpirun by hand do the same run.
        let losses = try job.steps().map(\.loss)
        #expect(try job.train(processes: 2).map(\.loss) == losses)

        // Only the newest checkpoint is kept.
        let kept = try FileManager.default.contentsOfDirectory(atPath: job.folder.appending(path: "run").path)
        #expect(kept == ["step-000004"])
        let text = try BuiltProgram("trainyard").run([
            "generate", job.folder.appending(path: "run").path, "--prompt", "To be", "--tokens", "20", "--seed", "3",
        ])
        #expect(text.exitCode == 0, "\(text.everything)")
        #expect(text.output.hasPrefix("To be") && text.output.utf8.count >= 5 + 20)
        // The name of a file of weights, which earlier releases wrote, stands for the checkpoint.
        let again = try BuiltProgram("trainyard").run([
            "generate", job.folder.appending(path: "run/step-000004.safetensors").path, "--prompt", "To be", "--tokens",
            "20", "--seed", "3",
        ])
        #expect(again.output == text.output)
        try checkTrace(trace)
    }

    /// Every action of 1F1B on two ranks with eight micro-batches is in the measured trace, in order.
    private func checkTrace(_ url: URL) throws {
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any]
        let events = try #require(object?["traceEvents"] as? [[String: Any]])
        let slices = events.filter { $0["ph"] as? String == "X" }
        for slice in slices {
            #expect(slice["ts"] is Double && slice["dur"] is Double && slice["pid"] is Int && slice["tid"] is Int)
        }
        // Eight forwards and eight backwards on either rank.
        let names = slices.compactMap { $0["name"] as? String }
        for stage in 0..<2 {
            for kind in ["F", "B"] {
                for microbatch in 0..<8 {
                    let name = "\(stage)\(kind)\(microbatch)"
                    #expect(names.contains { $0.contains(name) }, "\(name) is missing of \(Set(names).sorted())")
                }
            }
        }
    }

    /// Llama's weights, experts that lay on two ranks among them, are put together, read again and go on writing.
    @Test(arguments: ["", ", moe: {experts: 4, topK: 2, ffn: 16, shared: 1, firstDense: 1}"])
    func llamasGenerateToo(experts: String) throws {
        var shape = TrainingJob.Shape()
        shape.steps = 2
        shape.model =
            "{family: llama, layers: 2, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, vocab: 256, sequence: 16\(experts)}"
        shape.layout = experts.isEmpty ? ["tensor: 2"] : ["data: 2", "expert: 2"]
        let job = try TrainingJob(shape)
        shape.train = ["checkpoint: {every: 2, path: \(job.folder.path)/run, keep: 1}"]
        try job.write(shape)
        try job.train(processes: 2)
        let text = try BuiltProgram("trainyard").run([
            "generate", job.folder.appending(path: "run").path, "--prompt", "To be", "--tokens", "30", "--seed", "3",
        ])
        #expect(text.exitCode == 0, "\(text.everything)")
        #expect(text.output.hasPrefix("To be") && text.output.utf8.count >= 5 + 30)
    }

    /// Every recomputed block beyond the first saves what it would keep: 2,048 rows of about ten times 128 numbers.
    @Test func recomputedBlocksMoveThePeak() throws {
        var shape = TrainingJob.Shape()
        (shape.layers, shape.hidden, shape.heads, shape.sequence) = (8, 128, 4, 128)
        (shape.batch, shape.microbatch, shape.steps) = (16, 16, 1)
        let peaks = try [[], ["recompute: full", "recomputeLayers: 4"], ["recompute: full"]].map { layout in
            shape.layout = layout
            let steps = try TrainingJob(shape, text: formulaText(count: 8192)).train(processes: 1)
            return (loss: steps[0].loss, bytes: steps[0].peakBytes[0])
        }
        #expect(peaks[0].loss == peaks[1].loss && peaks[1].loss == peaks[2].loss)
        let block = 2048.0 * 10 * 128 * 4
        #expect(peaks[0].bytes - peaks[1].bytes > 1.5 * block, "\(peaks)")
        #expect(peaks[1].bytes - peaks[2].bytes > 2 * block, "\(peaks)")
    }

    @Test func aRunIsObserved() throws {
        var shape = TrainingJob.Shape()
        shape.steps = 3
        shape.layout = ["pipeline: 2", "tensor: 2", "sequenceParallel: true"]
        let job = try TrainingJob(shape)
        let (board, curve) = (job.folder.appending(path: "board"), job.folder.appending(path: "loss.svg"))
        let outcome = try BuiltProgram("trainyard").run(
            [
                "train", job.plan.path, "--quiet", "--profile", "--tensorboard", board.path, "--loss-svg", curve.path,
            ], in: job.folder)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        for words in [
            "2 steps, mean of 4 ranks", "matrix products", "attention", "norms and residuals", "cross-entropy",
            "tensor-parallel sums and gathers", "pipeline messages and waiting", "optimizer",
        ] {
            #expect(outcome.output.contains(words), "\(words): \(outcome.everything)")
        }
        // The shares are of the whole step.
        let shares = outcome.output.matches(of: #/([0-9.]+) %/#).compactMap { Double($0.1) }
        #expect(shares.count >= 8 && abs(shares.reduce(0, +) - 100) < 5, "\(outcome.output)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: board.path).count == 1)
        #expect(try String(contentsOf: curve, encoding: .utf8).contains("<polyline"))
    }

    @Test func metricsAreThoseOfThePage() throws {
        var shape = TrainingJob.Shape()
        shape.steps = 3
        shape.layout = ["pipeline: 2"]
        let steps = try TrainingJob(shape).train(processes: 2)
        #expect(steps.map(\.step) == [0, 1, 2])
        for step in steps {
            #expect(step.seconds > 0 && step.tokensPerSecond > 0 && step.peakBytes.count == 2)
            #expect(abs(step.tokensPerSecond * step.seconds - 8 * 16) < 1e-6)
            #expect((0..<1).contains(step.bubble))
            // 72 B L s h² (1 + s/6h + V/12hL): Korthikanti et al. 2022, appendix A, without recomputation.
            let (layers, hidden, sequence) = (6.0, 32.0, 16.0)
            let flops =
                72 * 8 * layers * sequence * hidden * hidden
                * (1 + sequence / (6 * hidden) + 256 / (12 * hidden * layers))
            #expect(abs(step.modelFLOPs - flops) < 1e-9 * flops)
        }
    }

    @Test func calibrationWritesAClusterThatPricesThePlan() throws {
        var shape = TrainingJob.Shape()
        shape.layout = ["pipeline: 2"]
        let job = try TrainingJob(shape)
        let cluster = job.folder.appending(path: "measured.yaml").path
        let outcome = try BuiltProgram("trainyard").run([
            "calibrate", "--quick", "--plan", job.plan.path, "--out", cluster,
        ])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.output.contains("GFLOP/s"))
        let plan = try String(contentsOf: job.plan, encoding: .utf8)
        try Data(("cluster: \(cluster)\n" + plan).utf8).write(to: job.plan)
        let priced = try BuiltProgram("trainyard").run(["plan", job.plan.path, "--json"])
        #expect(priced.exitCode == 0, "\(priced.everything)")
        let answer = try JSONSerialization.jsonObject(with: Data(priced.output.utf8)) as? [String: Any]
        let iteration = try #require(answer?["iteration"] as? [String: Any])
        #expect(try #require(iteration["seconds"] as? Double) > 0)
    }

    /// A plan without a cluster trains where nothing lies but the program, the plan and the text.
    @Test func theRuntimeNeedsNoClusterFiles() throws {
        let job = try TrainingJob(TrainingJob.Shape())
        let program = job.folder.appending(path: "trainyard-train")
        try FileManager.default.copyItem(at: BuiltProgram("trainyard-train").url, to: program)
        let outcome = try BuiltProgram.run(
            program, [job.plan.path, "--steps", "2", "--log", job.metrics.path], in: job.folder)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(try job.steps().count == 2)
        // What it does name is still looked up.
        let text = try String(contentsOf: job.plan, encoding: .utf8)
        try Data(("cluster: laptop\n" + text).utf8).write(to: job.plan)
        let named = try BuiltProgram.run(program, [job.plan.path], in: job.folder)
        #expect(named.exitCode == 2 && named.errors.contains("no cluster of that name"), "\(named.everything)")
    }

    @Test func theRuntimesOwnOptionsFailInOneLine() throws {
        for arguments in [["--stps", "3"], ["plans/tiny-gpt.yaml", "--steps", "many"], []] {
            let outcome = try BuiltProgram("trainyard-train").run(arguments)
            #expect(outcome.exitCode == 2, "\(outcome.everything)")
            #expect(outcome.errors.hasPrefix("error: ") && outcome.errors.split(separator: "\n").count == 1)
        }
    }

    @Test func badInputIsOneLineAndTwo() throws {
        let folder = try TemporaryFolder()
        let cases: [([String], String)] = [
            (["train", "/nowhere/plan.yaml"], "/nowhere/plan.yaml"),
            (["train", "plans/100b-3t-1024.yaml"], "layout"),
            (["train", "plans/tiny-gpt.yaml", "-n", "3", "--data", "README.md", "--quiet"], "started as 3 processes"),
            (["train", "plans/tiny-gpt.yaml", "-n", "0"], "--processes takes 1 to 1,000,000, not 0"),
            (["train", "plans/tiny-gpt.yaml", "--steps", "9223372036854775807"], "--steps takes 1 to 1,000,000,000"),
            (["generate", "plans", "--tokens", "0"], "--tokens takes 1 to"),
            (["calibrate", "-n", "1e6"], "--processes takes 1 to 1,024"),
            (["generate", "/nowhere/weights.safetensors"], "/nowhere/weights.safetensors"),
            (["generate", folder.path + "/"], "holds no checkpoint"),
            (["generate", "Package.swift"], "not a safetensors file"),
            (["calibrate", "--plan", "/nowhere/plan.yaml"], "/nowhere/plan.yaml"),
        ]
        for (arguments, words) in cases {
            let outcome = try BuiltProgram("trainyard").run(arguments)
            #expect(outcome.exitCode == 2, "\(arguments): \(outcome.everything)")
            #expect(outcome.errors.contains(words), "\(arguments): \(outcome.everything)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(arguments): \(outcome.everything)")
        }
    }
}

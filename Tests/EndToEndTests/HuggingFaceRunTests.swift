import Foundation
import TestSupport
import Testing

/// Runs that start from a folder of Hugging Face's, and folders that are written from runs.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct HuggingFaceRunTests {
    /// A model of the golden file and a way to split it.
    struct Case: CustomTestStringConvertible, Sendable {
        var model: String
        var processes: Int
        var layout: [String]
        var testDescription: String { "\(model), \(processes) processes: " + layout.joined(separator: ", ") }
    }

    /// A folder with a model of the golden file, its loss on the first batch, and the plan that starts from it.
    private func start(
        _ name: String, _ layout: [String] = [], model: String = "", train: [String] = [], steps: Int = 1
    ) throws -> (job: TrainingJob, shape: TrainingJob.Shape, loss: Double) {
        let data = try Data(contentsOf: BuiltProgram.root.appending(path: "Tests/Goldens/huggingface_logits.json"))
        let all = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        let one = try #require((all["models"] as? [String: [String: Any]])?[name])
        let (sequence, batch) = (try #require(all["sequence"] as? Int), try #require(all["batch"] as? Int))
        let tensors = try #require(one["tensors"] as? [[Any]]).map { pair in
            (name: try #require(pair[0] as? String), shape: try #require(pair[1] as? [Int]))
        }
        let job = try TrainingJob(text: formulaText(count: 4096))
        let folder = job.folder.appending(path: "start")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try JSONSerialization.data(withJSONObject: try #require(one["config"]))
            .write(to: folder.appending(path: "config.json"))
        try FormulaModel.write(
            tensors, scale: try #require((all["scale"] as? NSNumber)?.floatValue),
            to: folder.appending(path: "model.safetensors"))
        var shape = TrainingJob.Shape()
        (shape.batch, shape.microbatch, shape.steps, shape.layout) = (batch, 2, steps, layout)
        shape.model = "{hf: \(folder.path), sequence: \(sequence)\(model)}"
        shape.train = ["init: \(folder.path)", "auxiliaryLoss: 0"] + train
        try job.write(shape)
        return (job, shape, try #require((one["loss"] as? NSNumber)?.doubleValue))
    }

    @Test(arguments: [
        Case(model: "gpt2", processes: 1, layout: []),
        Case(model: "gpt2", processes: 2, layout: ["tensor: 2", "sequenceParallel: true"]),
        Case(model: "llama3", processes: 2, layout: ["pipeline: 2"]),
        Case(model: "llama-linear", processes: 2, layout: ["context: 2"]),
        Case(model: "mistral", processes: 2, layout: ["tensor: 2"]),
        Case(model: "qwen2", processes: 4, layout: ["tensor: 2", "pipeline: 2"]),
        Case(model: "qwen3", processes: 2, layout: ["tensor: 2", "recompute: full"]),
        Case(model: "mixtral", processes: 2, layout: ["data: 2", "expert: 2", "sharding: parameters"]),
        Case(model: "qwen3-moe", processes: 4, layout: ["tensor: 2", "data: 2", "expert: 4"]),
    ]) func firstLossIsTransformers(_ split: Case) throws {
        let (job, _, loss) = try start(split.model, split.layout)
        let steps = try job.train(processes: split.processes)
        #expect(abs(steps[0].loss - loss) < 1e-4, "\(steps[0].loss), transformers \(loss)")
    }

    /// Gradients of biases and of scaled positions are the same however the model is cut.
    @Test(arguments: ["qwen2", "qwen3", "gpt2"]) func stepsDoNotDependOnTheCut(_ name: String) throws {
        let (job, shape, _) = try start(name, steps: 6)
        let whole = try job.train(processes: 1)
        var cut = shape
        cut.layout = ["tensor: 2", "pipeline: 2"]
        try job.write(cut)
        let parts = try job.train(processes: 4)
        #expect(whole.count == 6 && parts.count == 6)
        for (one, other) in zip(whole, parts) {
            #expect(abs(one.loss - other.loss) < 1e-4 && abs(one.gradNorm - other.gradNorm) < 1e-3 * one.gradNorm)
        }
    }

    @Test(arguments: [
        (", rotaryBase: 10000", "model.rotaryBase is 500000 for these weights and 10000 in the plan"),
        (", normEpsilon: 1e-6", "model.normEpsilon is 0.0001 for these weights and 1e-06 in the plan"),
        (", rotaryScaling: none", "model.rotaryScaling is {kind: llama3"),
        (", layers: 1", "model.layers is 2 for these weights and 1 in the plan"),
        (", mlp: geglu", "model.mlp is swiglu for these weights and geglu in the plan"),
        (", tiedEmbeddings: false", "model.tiedEmbeddings is true for these weights and false in the plan"),
    ]) func otherPlansAreRefused(_ change: String, _ words: String) throws {
        let (job, _, _) = try start("llama3", model: change)
        let outcome = try job.launch(processes: 1, [])
        #expect(outcome.exitCode == 2 && outcome.errors.contains(words), "\(outcome.everything)")
        #expect(outcome.errors.contains("state theirs in the plan"))
    }

    /// A run's checkpoint is written as a folder, which generates the same text and starts the same run.
    @Test(arguments: ["llama3", "mixtral", "gpt2"]) func checkpointsAreExported(_ name: String) throws {
        let (job, shape, _) = try start(
            name, ["pipeline: 2"], train: ["checkpoint: {every: 2}"], steps: 2)
        let run = job.folder.appending(path: "run").path
        try job.train(processes: 2, ["--folder", run])
        let program = try BuiltProgram("trainyard-train")
        let target = job.folder.appending(path: "out").path
        let written = try program.run(["export-weights", run, "--to", target, "--json"]).document()
        #expect(written["step"] as? Int == 2 && written["folder"] as? String == target)
        #expect(try program.run(["export-weights", run, "--to", target]).exitCode == 2)
        #expect(try program.run(["export-weights", run, "--to", target, "--overwrite"]).exitCode == 0)
        #expect(try program.run(["export-weights", run, "--to", run + "/out"]).exitCode == 2)
        #expect(try program.run(["export-weights", run, "--to", run + "/checkpoints/step-000002/out"]).exitCode == 2)
        let options = ["--prompt=)", "--tokens", "20", "--temperature", "0"]
        let (theirs, ours) = (
            try program.run(["generate", target] + options), try program.run(["generate", run] + options)
        )
        #expect(ours.exitCode == 0 && theirs.output == ours.output, "\(theirs.everything)")

        // From the folder and from the checkpoint a run begins with the same loss, to the bit.
        var next = shape
        next.layout = []
        var losses: [Double] = []
        for path in [target, run + "/checkpoints/step-000002"] {
            next.train = ["init: \(path)", "auxiliaryLoss: 0"]
            try job.write(next)
            losses.append(try job.train(processes: 1)[0].loss)
        }
        #expect(losses[0] == losses[1])
    }

    /// Adapters are added to their matrices.
    @Test(arguments: ["gpt2", "llama3"]) func adaptersAreMerged(_ name: String) throws {
        let (job, shape, _) = try start(name, train: ["checkpoint: {every: 4}"], steps: 4)
        var tuned = shape
        tuned.learningRate = "1e-1"
        try job.write(tuned)
        let plan = try String(contentsOf: job.plan, encoding: .utf8)
        let modules = name == "gpt2" ? "c_attn, c_proj, c_fc" : "q_proj, v_proj, o_proj, up_proj, down_proj"
        try (plan + "lora: {rank: 4, alpha: 8, targetModules: [\(modules)]}\n")
            .write(to: job.plan, atomically: true, encoding: .utf8)
        let run = job.folder.appending(path: "run").path
        try job.train(processes: 1, ["--folder", run])
        let program = try BuiltProgram("trainyard-train")
        let target = job.folder.appending(path: "out").path
        #expect(try program.run(["export-weights", run, "--to", target]).exitCode == 0)
        let options = ["--prompt=)", "--tokens", "24", "--temperature", "0"]
        let (theirs, ours, start) = (
            try program.run(["generate", target] + options), try program.run(["generate", run] + options),
            try program.run(
                ["generate", job.folder.appending(path: "start").path, "--tokenizer", "bytes"] + options)
        )
        #expect(theirs.output == ours.output && theirs.output != start.output, "\(theirs.everything)")
    }

    /// A checkpoint keeps epsilon and base: a run of others does not go on from it.
    @Test(arguments: [
        (", normEpsilon: 2e-5", "model.normEpsilon is 0.0001"), (", rotaryBase: 77", "model.rotaryBase is 500000"),
        (", rotaryScaling: {factor: 4}", "model.rotaryScaling.factor is 8"),
    ]) func otherComputationsAreNotResumed(_ change: String, _ words: String) throws {
        let (job, shape, _) = try start("llama3", train: ["checkpoint: {every: 2}"], steps: 2)
        let run = job.folder.appending(path: "run").path
        try job.train(processes: 1, ["--folder", run])
        var other = shape
        other.steps = 3
        other.train.removeFirst()
        try job.write(other)
        let program = try BuiltProgram("trainyard-train")
        let arguments = [job.plan.path, "--folder", run, "--resume", "--quiet"]
        let model = try #require(shape.model)
        other.model = model.replacing("}", with: change + "}")
        try job.write(other)
        let refused = try program.run(processes: 1, arguments, in: job.folder)
        #expect(refused.exitCode == 2 && refused.errors.contains(words), "\(refused.everything)")
        // The usual value, stated, is no other.
        other.model = model
        try job.write(other)
        let resumed = try program.run(processes: 1, arguments, in: job.folder)
        #expect(resumed.exitCode == 0, "\(resumed.everything)")
    }
}

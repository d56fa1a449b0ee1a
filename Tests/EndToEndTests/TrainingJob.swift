import Foundation
import TestSupport
import Testing

/// A real run of a small GPT under mpirun, in a folder of its own that goes with it.
final class TrainingJob {
    /// Steps of a run that only a signal or a failure ends: hours, even on a machine that does thousands a second.
    static let endlessSteps = 1_000_000_000

    /// The model and data every job starts from; tests change what they are about.
    struct Shape {
        var layers = 6
        var hidden = 32
        var heads = 2
        var sequence = 16
        var batch = 8
        var microbatch = 1
        var tied = true
        var steps = 20
        var order = "sequential"
        var learningRate = "3e-4"
        var clip = "1.0"
        var precision = "fp32"
        /// The whole `model` map, instead of a GPT of the sizes above.
        var model: String?
        /// Lines of the `layout` map beyond `microbatch`.
        var layout: [String] = []
        /// Lines of the `train` map beyond the usual.
        var train: [String] = []
    }

    /// One line of metrics.
    struct Step: Decodable {
        let step: Int
        let loss: Double
        let gradNorm: Double
        let learningRate: Double
        let seconds: Double
        let tokensPerSecond: Double
        let modelFLOPs: Double
        let bubble: Double
        let peakBytes: [Double]
    }

    private let files: TemporaryFolder
    var folder: URL { files.url }

    init(_ shape: Shape = Shape(), text: [UInt8] = formulaText(count: 4096)) throws {
        files = try TemporaryFolder()
        try files.write(Data(text), as: "text")
        try write(shape)
    }

    /// Replaces the plan.
    func write(_ shape: Shape) throws {
        let lines =
            [
                "model: "
                    + (shape.model
                        ?? "{family: gpt, layers: \(shape.layers), hidden: \(shape.hidden), heads: \(shape.heads), "
                        + "vocab: 256, sequence: \(shape.sequence), tiedEmbeddings: \(shape.tied)}"),
                "batch: \(shape.batch)", "precision: \(shape.precision)", "layout:",
                "  microbatch: \(shape.microbatch)",
            ] + shape.layout.map { "  " + $0 } + [
                "train:", "  data: \(folder.path)/text", "  order: \(shape.order)", "  steps: \(shape.steps)",
                "  learningRate: \(shape.learningRate)", "  schedule: constant", "  clip: \(shape.clip)", "  seed: 1",
            ] + shape.train.map { "  " + $0 }
        try files.write(lines.joined(separator: "\n") + "\n", as: "plan.yaml")
    }

    var plan: URL { folder.appending(path: "plan.yaml") }
    var metrics: URL { folder.appending(path: "metrics.jsonl") }

    /// Trains and returns what the metrics say; fails the test when the run does not end well.
    @discardableResult
    func train(
        processes: Int, _ arguments: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [Step] {
        let outcome = try launch(processes: processes, ["--log", metrics.path, "--quiet"] + arguments)
        try #require(outcome.exitCode == 0, "\(outcome.everything)", sourceLocation: sourceLocation)
        return try steps()
    }

    /// Trains, in the job's folder, and returns how it ended. A run replaces the one before it.
    func launch(processes: Int, _ arguments: [String]) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard-train").run(
            processes: processes, [plan.path, "--overwrite"] + arguments, in: folder)
    }

    func steps() throws -> [Step] {
        try String(contentsOf: metrics, encoding: .utf8).split(separator: "\n")
            .map { try JSONDecoder().decode(Step.self, from: Data($0.utf8)) }
    }

    /// The weights a run saved, as bytes.
    func savedWeights(processes: Int) throws -> Data {
        let path = folder.appending(path: "weights.safetensors")
        try train(processes: processes, ["--save", path.path])
        return try Data(contentsOf: path)
    }
}

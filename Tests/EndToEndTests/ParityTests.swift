import Foundation
import TestSupport
import Testing

/// A run gives the same losses however its layers are split over processes.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct ParityTests {
    /// A way to split the six layers.
    struct Split: CustomTestStringConvertible, Sendable {
        var processes: Int
        var layout: [String]
        var testDescription: String { "\(processes) processes: " + layout.joined(separator: ", ") }
    }

    static let splits = [
        Split(processes: 2, layout: ["pipeline: 2", "schedule: 1f1b"]),
        Split(processes: 2, layout: ["pipeline: 2", "schedule: gpipe"]),
        Split(processes: 2, layout: ["pipeline: 2", "virtualStages: 3", "schedule: interleaved-1f1b"]),
        Split(processes: 2, layout: ["data: 2"]),
        Split(processes: 3, layout: ["pipeline: 3", "schedule: 1f1b"]),
        Split(processes: 3, layout: ["pipeline: 3", "schedule: gpipe"]),
        Split(processes: 3, layout: ["pipeline: 3", "layersPerStage: [1, 4, 1]"]),
        Split(processes: 3, layout: ["pipeline: 3", "pipelineLayout: 'E|t*6|L'"]),
        Split(processes: 4, layout: ["pipeline: 4", "schedule: 1f1b"]),
        Split(processes: 4, layout: ["pipeline: 4", "schedule: gpipe"]),
        Split(processes: 4, layout: ["pipeline: 2", "data: 2", "virtualStages: 2", "schedule: interleaved-1f1b"]),
    ]

    @Test(arguments: [true, false]) func everySplitLearnsAsOneProcess(tied: Bool) throws {
        var shape = TrainingJob.Shape()
        shape.tied = tied
        let job = try TrainingJob(shape)
        let alone = try job.train(processes: 1)
        #expect(alone.count == 20)
        #expect(try #require(alone.last).loss < alone[0].loss - 0.1, "the run does not learn")
        for split in Self.splits {
            shape.layout = split.layout
            try job.write(shape)
            let steps = try job.train(processes: split.processes)
            #expect(steps.count == alone.count)
            for (here, there) in zip(steps, alone) {
                #expect(abs(here.loss - there.loss) <= 1e-5 * there.loss, "\(split.testDescription), step \(here.step)")
                #expect(
                    abs(here.gradNorm - there.gradNorm) <= 1e-4 * there.gradNorm,
                    "\(split.testDescription), step \(here.step)")
            }
        }
    }

    @Test func unevenStagesOfSevenLayersOnThree() throws {
        var shape = TrainingJob.Shape()
        shape.layers = 7
        shape.steps = 5
        shape.microbatch = 2
        let job = try TrainingJob(shape)
        let alone = try job.train(processes: 1)
        shape.layout = ["pipeline: 3"]
        try job.write(shape)
        for (here, there) in zip(try job.train(processes: 3), alone) {
            #expect(abs(here.loss - there.loss) <= 1e-5 * there.loss)
        }
    }

    @Test func theSameRunTwiceIsBitIdentical() throws {
        var shape = TrainingJob.Shape()
        shape.steps = 5
        shape.order = "shuffled"
        shape.layout = ["pipeline: 2"]
        let job = try TrainingJob(shape)
        let first = try job.savedWeights(processes: 2)
        let losses = try job.steps().map(\.loss)
        #expect(try job.savedWeights(processes: 2) == first)
        #expect(try job.steps().map(\.loss) == losses)
        // Another schedule does the same sums in the same order.
        shape.layout = ["pipeline: 2", "schedule: gpipe"]
        try job.write(shape)
        #expect(try job.savedWeights(processes: 2) == first)
    }

    /// Twenty steps of PyTorch's, from the same weights on the same text.
    @Test(arguments: ["untied", "tied"], [1, 2]) func lossesArePyTorchs(run: String, processes: Int) throws {
        struct Golden: Decodable {
            struct Run: Decodable {
                struct Config: Decodable {
                    let layers: Int, hidden: Int, heads: Int, sequence: Int, batch: Int, microbatch: Int
                    let tied: Bool
                }
                let config: Config
                let losses: [Double]
                let firstGradientNorms: [String: Double]
            }
            struct Text: Decodable { let count: Int }
            let runs: [String: Run]
            let text: Text
        }
        let golden = try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: BuiltProgram.root.appending(path: "Tests/Goldens/pytorch_gpt.json")))
        let expected = try #require(golden.runs[run])
        let config = expected.config
        var shape = TrainingJob.Shape(
            layers: config.layers, hidden: config.hidden, heads: config.heads, sequence: config.sequence,
            batch: config.batch, microbatch: config.microbatch, tied: config.tied, steps: expected.losses.count)
        shape.clip = "none"
        let job = try TrainingJob(shape, text: formulaText(count: golden.text.count))
        try FormulaModel(layers: config.layers, hidden: config.hidden, sequence: config.sequence, tied: config.tied)
            .write(to: job.folder.appending(path: "start.safetensors"))
        shape.train = ["init: \(job.folder.path)/start.safetensors", "betas: [0.9, 0.95]", "weightDecay: 0.1"]
        shape.layout = ["pipeline: \(processes)"]
        try job.write(shape)
        let steps = try job.train(processes: processes)
        #expect(steps.count == expected.losses.count)
        for (step, loss) in zip(steps, expected.losses) {
            #expect(abs(step.loss - loss) <= 1e-4 * loss, "step \(step.step): \(step.loss), PyTorch \(loss)")
        }
        let norm = expected.firstGradientNorms.values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(abs(steps[0].gradNorm - norm) <= 1e-4 * norm, "\(steps[0].gradNorm), PyTorch \(norm)")
    }
}

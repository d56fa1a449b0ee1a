import Foundation
import TestSupport
import Testing

/// Twenty steps of llamas trained by PyTorch, from the same weights on the same text (`bench/pytorch/llama_golden.py`).
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct LlamaParityTests {
    private struct Golden: Decodable {
        struct Run: Decodable {
            struct Config: Decodable {
                let layers: Int, hidden: Int, heads: Int, kvHeads: Int, ffn: Int, sequence: Int, vocab: Int
                let batch: Int, microbatch: Int
                let tied: Bool
                let experts: Int?, topK: Int?, expertFfn: Int?, shared: Int?, sharedFfn: Int?
                let auxiliaryLoss: Double?

                var model: String {
                    var map =
                        "{family: llama, layers: \(layers), hidden: \(hidden), heads: \(heads), kvHeads: \(kvHeads), "
                        + "ffn: \(ffn), vocab: \(vocab), sequence: \(sequence), tiedEmbeddings: \(tied)"
                    if let experts, let topK, let expertFfn, let shared, let sharedFfn {
                        map +=
                            ", moe: {experts: \(experts), topK: \(topK), ffn: \(expertFfn), shared: \(shared), "
                            + "sharedFfn: \(sharedFfn), firstDense: 1}"
                    }
                    return map + "}"
                }
            }
            /// A name and a shape.
            struct Tensor: Decodable {
                let name: String
                let shape: [Int]
                init(from decoder: any Decoder) throws {
                    var pair = try decoder.unkeyedContainer()
                    name = try pair.decode(String.self)
                    shape = try pair.decode([Int].self)
                }
            }
            let config: Config
            let tensors: [Tensor]
            let losses: [Double]
            let firstGradientNorms: [String: Double]
        }
        struct Text: Decodable { let count: Int }
        let runs: [String: Run]
        let text: Text
    }

    /// A run of the golden file and a way to split it.
    struct Case: CustomTestStringConvertible, Sendable {
        var run: String
        var processes: Int
        var layout: [String]
        var testDescription: String { "\(run), \(processes) processes: " + layout.joined(separator: ", ") }
    }

    @Test(arguments: [
        Case(run: "untied", processes: 1, layout: []),
        Case(run: "tied", processes: 1, layout: []),
        Case(run: "experts", processes: 1, layout: []),
        Case(run: "untied", processes: 4, layout: ["tensor: 2", "sequenceParallel: true", "context: 2"]),
        Case(run: "tied", processes: 2, layout: ["pipeline: 2", "schedule: zb-h1", "recompute: full"]),
        Case(run: "experts", processes: 2, layout: ["data: 2", "expert: 2", "sharding: parameters"]),
    ]) func lossesArePyTorchs(_ split: Case) throws {
        let golden = try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: BuiltProgram.root.appending(path: "Tests/Goldens/pytorch_llama.json")))
        let expected = try #require(golden.runs[split.run])
        let config = expected.config
        var shape = TrainingJob.Shape(
            batch: config.batch, microbatch: config.microbatch, steps: expected.losses.count, model: config.model)
        shape.clip = "none"
        let job = try TrainingJob(shape, text: formulaText(count: golden.text.count))
        try FormulaModel.write(
            expected.tensors.map { ($0.name, $0.shape) }, to: job.folder.appending(path: "start.safetensors"))
        shape.train = ["init: \(job.folder.path)/start.safetensors", "betas: [0.9, 0.95]", "weightDecay: 0.1"]
        if let auxiliary = config.auxiliaryLoss { shape.train.append("auxiliaryLoss: \(auxiliary)") }
        shape.layout = split.layout
        try job.write(shape)
        let steps = try job.train(processes: split.processes)
        #expect(steps.count == expected.losses.count)
        for (step, loss) in zip(steps, expected.losses) {
            #expect(abs(step.loss - loss) <= 1e-4 * loss, "step \(step.step): \(step.loss), PyTorch \(loss)")
        }
        let norm = expected.firstGradientNorms.values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(abs(steps[0].gradNorm - norm) <= 1e-4 * norm, "\(steps[0].gradNorm), PyTorch \(norm)")
    }
}

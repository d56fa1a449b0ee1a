import Foundation
import Testing

/// The peak memory of every process of a real run is within 8 % of the prediction. Memory does not depend on how busy the
/// machine is. `bench/memory.py` compares thirty layouts of larger models.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct PeakMemoryTests {
    static let gpt = "{family: gpt, layers: 8, hidden: 256, heads: 4, vocab: 256, sequence: 256}"
    static let llama =
        "{family: llama, layers: 8, hidden: 256, heads: 4, kvHeads: 2, ffn: 704, vocab: 8192, sequence: 256}"
    static let experts =
        "{family: llama, layers: 4, hidden: 256, heads: 4, kvHeads: 2, ffn: 704, vocab: 256, sequence: 256, "
        + "moe: {experts: 4, topK: 2, ffn: 352}}"

    struct Run: CustomTestStringConvertible, Sendable {
        var model = gpt
        var batch = 16
        var layout: String
        var testDescription: String { layout }
    }

    static let runs = [
        Run(layout: "{data: 2, microbatch: 8, sharding: gradients}"),
        Run(layout: "{tensor: 2, sequenceParallel: true, microbatch: 8}"),
        Run(batch: 8, layout: "{context: 2, microbatch: 8, recompute: selective}"),
        Run(layout: "{pipeline: 2, microbatch: 4, schedule: 1f1b}"),
        Run(layout: "{pipeline: 2, microbatch: 4, schedule: zb-h1, recompute: full}"),
        Run(layout: "{pipeline: 2, microbatch: 4, schedule: zbv}"),
        Run(layout: "{pipeline: 2, virtualStages: 2, microbatch: 4, schedule: interleaved-zb}"),
        // A table of 8,192 entries of which a text of bytes reaches 256.
        Run(model: llama, layout: "{data: 2, microbatch: 8}"),
        Run(model: experts, layout: "{data: 2, expert: 2, microbatch: 8}"),
    ]

    private struct Prediction: Decodable {
        struct Memory: Decodable {
            struct Rank: Decodable { let peakGiB: Double }
            let byRank: [Rank]
        }
        let memory: Memory
    }

    private struct Step: Decodable { let peakBytes: [Double] }

    @Test(arguments: runs) func isWhatWasPredicted(_ run: Run) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "memory-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (plan, log) = (folder.appending(path: "plan.yaml"), folder.appending(path: "log.jsonl"))
        try """
        name: memory
        model: \(run.model)
        batch: \(run.batch)
        precision: fp32
        framework: trainyard
        layout: \(run.layout)
        train: {data: README.md, steps: 1, learningRate: 1e-3, seed: 1}
        """.write(to: plan, atomically: true, encoding: .utf8)
        let trainyard = try BuiltProgram("trainyard")
        let answer = try trainyard.run(["plan", plan.path, "--json"])
        #expect(answer.exitCode == 0, "\(answer.everything)")
        let predicted = try JSONDecoder().decode(Prediction.self, from: Data(answer.output.utf8)).memory.byRank
        let outcome = try trainyard.run([
            "train", plan.path, "--quiet", "--folder", folder.appending(path: "run").path, "--log", log.path,
        ])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        let lines = try String(contentsOf: log, encoding: .utf8).split(separator: "\n")
        let measured = try JSONDecoder().decode(Step.self, from: Data(try #require(lines.last).utf8)).peakBytes
        #expect(measured.count == 2)
        for (process, bytes) in measured.enumerated() {
            // The pipeline rank is the slowest to change from one process to the next.
            let prediction = predicted[process * predicted.count / measured.count].peakGiB * 0x1p30
            // How many rows an expert gets depends on the text.
            let most = run.layout.contains("expert") ? 0.12 : 0.08
            #expect(abs(prediction / bytes - 1) < most, "process \(process): \(prediction / bytes)")
        }
    }
}

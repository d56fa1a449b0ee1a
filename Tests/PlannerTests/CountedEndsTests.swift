import Costs
import Models
import Planner
import Plans
import TestSupport
import Testing

/// Published runs whose pipelines count the embedding and the loss as layers, with one block or an end on each of their
/// stages.
@Suite struct CountedEndsTests {
    struct Run: CustomTestStringConvertible, Sendable {
        var name: String
        var text: String
        /// Published seconds of a step.
        var seconds: Double
        var testDescription: String { name }
    }

    private static func llama(_ precision: String) -> String {
        """
        model: {family: llama, layers: 30, hidden: 16384, heads: 128, kvHeads: 8, ffn: 53248, vocab: 128256, sequence: 8192}
        cluster: {extends: h100-80g-sxm, devicesPerNode: 8, nicGbps: 400, nicsPerNode: 8}
        devices: 64
        batch: 64
        precision: \(precision)
        layout: {tensor: 8, pipeline: 4, virtualStages: 8, data: 1, context: 2, sequenceParallel: true, sharding: optimizer,
                 accountForEmbeddingInPipelineSplit: true, accountForLossInPipelineSplit: true,
                 overlap: {data: true, tensor: true, pipeline: true}}
        """
    }

    static let runs = [
        // NVIDIA, dgxc-benchmarking 25.04: Llama 3.1 405B with 30 blocks on 64 H100.
        Run(name: "llama 405B, 30 blocks, bf16", text: llama("bf16"), seconds: 10.1),
        Run(name: "llama 405B, 30 blocks, fp8", text: llama("fp8"), seconds: 6.32),
        // NVIDIA, Megatron MoE ModelZoo: Qwen3 235B on 256 H100, 94 blocks on 96 stages.
        Run(
            name: "qwen3 235B",
            text: """
                model: {family: llama, layers: 94, hidden: 4096, heads: 64, kvHeads: 4, headSize: 128, ffn: 12288, vocab: 151936,
                        sequence: 4096, moe: {experts: 128, topK: 8, ffn: 1536}}
                cluster: {extends: h100-80g-sxm, devicesPerNode: 8}
                devices: 256
                batch: 2048
                precision: bf16
                layout: {tensor: 2, pipeline: 32, data: 4, expert: 8, sequenceParallel: true, sharding: optimizer,
                         pipelineLayout: 'E|(t|)*94L', overlap: {data: true, tensor: false, pipeline: false}}
                """, seconds: 24.2),
    ]

    @Test(arguments: runs) func isPriced(_ run: Run) throws {
        let plan = try Plan.read(text: run.text, path: "plan.yaml", library: Checkout.library)
        let layout = try #require(plan.layout)
        let sizes = try #require(layout.layersPerStage)
        #expect(sizes.first == 0 && sizes.last == 0 && Set(sizes.dropFirst().dropLast()) == [1])
        let estimate = try price(plan: plan, layout: layout)
        #expect(abs(estimate.iteration.seconds / run.seconds - 1) < 0.17)
    }
}

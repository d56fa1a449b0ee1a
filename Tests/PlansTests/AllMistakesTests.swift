import Plans
import Reading
import TestSupport
import Testing

/// Mistakes in different parts of one plan, all named in one answer.
struct AllMistakesTests {
    private func places(_ text: String) -> [String] {
        do {
            _ = try Plan.read(text: text, path: "p.yaml", library: Checkout.library)
            return []
        } catch {
            return error.problems.map { "\($0.line ?? 0):\($0.column ?? 0) \($0.field)" }
        }
    }

    @Test(
        "A wrong window, pattern, adapter, recipe, sharding, micro-batch, layout string and device count are named together"
    )
    func everySection() {
        #expect(
            places(
                """
                model:
                  family: llama
                  layers: 8
                  hidden: 512
                  heads: 8
                  ffn: 1024
                  vocab: 1000
                  sequence: 256
                  kinds:
                    a: {}
                    m: {mamba2: {heads: 8, headSize: 64, stateSize: 16, groups: 1}, window: 64}
                  pattern: a m a
                cluster: h100-80g-sxm
                devices: 8
                batch: 8
                lora: {rank: 8, targetModules: [q_prj]}
                optimizer: adafactor
                precision: {recipe: mxfp8}
                layout: {tensor: 1, pipeline: 2, data: 3, sharding: parameters, pipelineLayout: "Et*4|t*3|tL"}
                """) == [
                    "11:77 model.kinds.m.window", "12:12 model.pattern", "14:10 devices",
                    "16:32 lora.targetModules", "18:12 precision", "19:9 layout.microbatch",
                    "19:53 layout.sharding", "19:90 layout.pipelineLayout",
                ])
    }

    @Test("A model that is not known leaves the rules of optimizer and sharding")
    func unknownModel() {
        #expect(
            places(
                """
                model: no-such-model
                cluster: no-such-cluster
                devices: 8
                batch: 8
                optimizer: adafactor
                layout: {data: 8, sharding: parameters}
                """) == ["1:8 model", "2:10 cluster", "6:29 layout.sharding"])
    }

    @Test("A wrong cluster and framework leave the rules between model and layout")
    func wrongCluster() {
        #expect(
            places(
                """
                model: {name: gpt3-175b}
                cluster: no-such-cluster
                framework: no-such-framework
                devices: 14
                batch: 8
                layout: {tensor: 7, data: 2, pipeline: 1}
                """) == ["2:10 cluster", "3:12 framework", "6:18 layout.tensor", "6:18 layout.tensor"])
    }

    @Test("A wrong batch is not followed by what a batch in its place would break")
    func wrongBatch() {
        #expect(
            places(
                """
                model: {name: gpt3-175b}
                cluster: a100-80g-sxm
                devices: 3
                batch: many
                layout: {data: 3}
                """) == ["4:8 batch"])
    }
}

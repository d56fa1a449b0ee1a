import Inference
import Models
import TestSupport
import Testing

/// What is kept of a token, against published figures.
@Suite struct CacheTests {
    /// A row of "Insights into DeepSeek-V3" (Zhao et al. 2025, arXiv 2505.09343), Table 1, in bytes of bf16; and of Llama 2
    /// 7B, 0.5 MiB in fp16: 2 · 32 layers · 4,096 numbers · 2 bytes.
    struct Published: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: Double
        var testDescription: String { name }
    }

    @Test(arguments: [
        Published(name: "deepseek-v3", bytes: 70_272), Published(name: "llama3.1-405b", bytes: 516_096),
        Published(name: "llama2-7b", bytes: 524_288),
    ])
    func bytesOfATokenAreThePublishedOnes(_ published: Published) throws {
        let model = try Model.read(published.name, library: Checkout.library)
        let served = try ServedModel(model)
        for tokens in [1.0, 1000] {
            #expect(served.cacheBytes(tokens: tokens, format: .bf16) == tokens * published.bytes)
        }
    }

    /// Qwen2.5 72B keeps 327,680 bytes a token (Zhao et al. 2025, table 1).
    @Test func groupedHeadsKeepTheirOwnNumbers() throws {
        let qwen = Model(
            family: .llama, layers: 80, hidden: 8192, heads: 64, kvHeads: 8, ffn: 29_568, vocab: 152_064,
            sequence: 32_768)
        #expect(try ServedModel(qwen).cacheBytes(tokens: 1, format: .bf16) == 327_680)
    }

    @Test func windowsAreBounded() throws {
        let model = try Model.read("mistral-7b-v0.1", library: Checkout.library)
        let window = try #require(model.block.window)
        let served = try ServedModel(model)
        func bytes(_ tokens: Int) -> Double { served.cacheBytes(tokens: Double(tokens), format: .fp16) }
        #expect(bytes(window) > bytes(window - 1))
        #expect(bytes(10 * window) == bytes(window))
    }

    /// A recurrence keeps one state of any length: Mamba-2 a_m·d_m·d_s numbers in fp32 for each layer.
    @Test func statesDoNotGrow() throws {
        var model = Model(family: .llama, layers: 4, hidden: 256, heads: 4, ffn: 512, vocab: 1000, sequence: 1024)
        model.block.mixers = [
            .mamba2(Mixer.Mamba2(heads: 8, headSize: 64, stateSize: 128, groups: 1, kernel: 4))
        ]
        let served = try ServedModel(model)
        let state = Double(4 * 4 * 8 * 64 * 128)
        #expect(served.cacheBytes(tokens: 1, format: .bf16) == state)
        #expect(served.cacheBytes(tokens: 100_000, format: .bf16) == state)
    }

    /// DeepSeek-V2, section 2.1.2: in generation a query meets latents, a·(2·r_k + d_r) multiply-adds for each.
    @Test func latentsAreReadAsTheyAre() throws {
        let model = try Model.read("deepseek-v3", library: Checkout.library)
        let cache = try ServedModel(model).parts.blocks[0].cache
        #expect(cache.work(tokens: 1) == 128 * (2 * 512 + 64))
        #expect(cache.read(tokens: 1, tensor: 8) == 576)
    }
}

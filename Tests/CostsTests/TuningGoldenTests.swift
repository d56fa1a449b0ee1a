import Costs
import Models
import Plans
import PricingSupport
import TestSupport
import Testing

/// Adapters and frozen weights against figures of others.
@Suite struct TuningGoldenTests {
    private func llama2(_ size: String) throws -> Model {
        var model = try Model.read("llama2-\(size)", library: Checkout.library)
        model.sequence = 4096
        return model
    }

    /// What PEFT prints for Llama 2 7B (`print_trainable_parameters`): 4,194,304 of 6,742,609,920 with rank 8 on queries and
    /// values, its default for Llama; and 159,907,840 with QLoRA's rank 64 on every matrix.
    @Test func parametersOfAdapters() throws {
        var model = try llama2("7b")
        model.tune(Tuning(lora: LoRA(rank: 8, alpha: 16, targetModules: ["q_proj", "v_proj"])))
        #expect(model.trainedParameters == 4_194_304)
        #expect(model.parameters().total == 6_742_609_920)
        model.tune(Tuning(lora: LoRA(rank: 64, alpha: 16, targetModules: [LoRA.allLinear])))
        #expect(model.trainedParameters == 159_907_840)
    }

    /// Megatron-LM's names give one A to the matrices of a product: r(h + 3h) + r(h + h) + r(h + 2f) + r(f + h) a block.
    @Test func parametersOfFusedAdapters() throws {
        var model = try llama2("7b")
        model.tune(
            Tuning(
                lora: LoRA(
                    rank: 16, alpha: 32, targetModules: ["linear_qkv", "linear_proj", "linear_fc1", "linear_fc2"])))
        let (h, f) = (4096, 11008)
        #expect(model.trainedParameters == 32 * 16 * (4 * h + 2 * h + h + 2 * f + f + h))
    }

    /// Model FLOPs a token of NeMo 24.07's LoRA runs (docs/source/performance/performance_summary.md): TFLOP/s over
    /// tokens a second, on SQuAD packed to 4,096 tokens, whose documents have about 170. NeMo leaves out the adapters' own
    /// products.
    @Test(arguments: [("7b", 673.0, 25_206.0), ("13b", 733, 14_161), ("70b", 705, 2_557)])
    func modelFLOPs(_ size: String, _ teraFLOPs: Double, _ tokens: Double) throws {
        var model = try llama2(size)
        model.documents = Documents(lengths: [Documents.Length(tokens: 170)])
        model.tune(Tuning(lora: LoRA(rank: 1, alpha: 1, targetModules: ["linear_qkv"])))
        let counted = FLOPs(model: model, sequences: 1).required / 4096
        #expect(abs(counted / (teraFLOPs * 1e12 / tokens) - 1) < 0.01, "\(counted) \(teraFLOPs * 1e12 / tokens)")
    }

    /// Tokens a second and device of the same runs, predicted with the constants of pre-training: nothing is fitted to them.
    @Test(arguments: [
        ("7b", "data: 8", 25_206.0), ("13b", "data: 8", 14_161),
        ("70b", "tensor: 2, pipeline: 4, sequenceParallel: true", 2_557),
    ])
    func speed(_ size: String, _ layout: String, _ tokens: Double) throws {
        let plan = try Plan.read(
            text: """
                model: {name: llama2-\(size), sequence: 4096}
                cluster: h100-80g-sxm
                devices: 8
                batch: 32
                precision: fp8
                framework: megatron-core
                packing: {documents: 170}
                lora: {rank: 16, alpha: 32, targetModules: [linear_qkv, linear_proj, linear_fc1, linear_fc2]}
                layout: {\(layout)}
                """, path: "plan.yaml", library: Checkout.library)
        let predicted = try estimate(plan: plan, layout: #require(plan.layout)).tokensPerSecond / 8
        #expect(abs(predicted / tokens - 1) < 0.06, "\(predicted)")
    }

    /// 0.127 bits a weight beside the four (Dettmers et al. 2023, section 3: double quantization saves 0.373 of 0.5).
    @Test func bitsOfAWeight() {
        #expect(abs(8 * Quantization(isDouble: true).bytes - 4.127) < 5e-4)
        #expect(8 * Quantization(isDouble: false).bytes == 4.5)
    }

    /// Frozen blocks ahead of the first trained one take a third of the work, frozen ones behind it two thirds.
    @Test func blocksWithoutABackward() throws {
        let model = try llama2("7b")
        func time(_ frozen: [FrozenPart]) throws -> Double {
            var frozenModel = model
            frozenModel.tune(Tuning(frozen: frozen))
            let plan = Plan(
                name: "t", model: frozenModel, tokens: nil, cluster: TestCluster.a100(), devices: 8, batch: 8,
                precision: .bf16, layout: nil)
            return try Pricer(plan: plan).work(Layout(data: 8)).units.blocks.map(\.total).reduce(0, +)
        }
        let (ahead, behind, all) = (
            try time([.embedding, .layers(first: 0, last: 30)]), try time([.layers(first: 0, last: 30)]), try time([])
        )
        // Both kinds of block: frozen ones, and the last.
        #expect(abs((ahead - all) / all - 0.33) < 0.04, "\(ahead / all)")
        #expect(abs((behind - all) / all - 0.67) < 0.06, "\(behind / all)")
    }

    /// A plan with fewer micro-batches at its start waits longer: 1F1B's bubble (p − 1)/m, of every batch on the way.
    @Test func aGrowingBatch() throws {
        var plan = Plan(
            name: "t", model: try llama2("7b"), tokens: 4096.0 * 64_000, cluster: TestCluster.a100(), devices: 8,
            batch: 64,
            precision: .bf16, layout: nil)
        let layout = Layout(data: 1, pipeline: 8)
        let whole = try estimate(plan: plan, layout: layout)
        plan.rampup = BatchRampup(start: 16, increment: 16, samples: 24_000)
        let run = try #require(try estimate(plan: plan, layout: layout).run)
        // 8,000 sequences at 16, 32 and 48, then 40,000 at 64.
        #expect(run.steps == 500 + 250 + 167 + (64_000.0 - 24_016) / 64 + 0.25)
        #expect(run.rampup?.steps == 917)
        func seconds(_ batch: Int) throws -> Double {
            var small = plan
            (small.batch, small.rampup) = (batch, nil)
            return try estimate(plan: small, layout: layout).iteration.seconds
        }
        let way = try 500 * seconds(16) + 250 * seconds(32) + 167 * seconds(48)
        let days = try #require(run.rampup).days * 86400 * run.goodput / plan.runOverSteps
        #expect(abs(days / way - 1) < 1e-9)
        #expect(run.days > (try #require(whole.run)).days)
        // The smallest batch wastes most: 23 slots for 16 micro-batches, 71 for 64.
        #expect(abs(try seconds(16) / seconds(64) - 23.0 / 71) < 0.02)
    }
}

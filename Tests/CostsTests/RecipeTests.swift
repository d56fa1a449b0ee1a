import Costs
import Models
import Plans
import PricingSupport
import TestSupport
import Testing

/// Runs in 8 and 4 bits by recipe.
@Suite struct RecipeTests {
    static func plan(
        _ recipe: Recipe?, precision: Precision? = nil, _ layout: Layout = Layout(), cluster: String = "b200-sxm",
        model: Model = MemoryCaseTests.llama(layers: 8)
    ) throws -> Plan {
        var frameworks = try #require(MemoryCaseTests.frameworks)
        frameworks.named = "megatron-core"
        var plan = Plan(
            name: "", model: model, tokens: 1e12, cluster: try Cluster.read(cluster, library: Checkout.library),
            devices: layout.devices, batch: 64, precision: precision ?? recipe?.precision ?? .bf16, layout: layout,
            frameworks: frameworks)
        plan.statedRecipe = recipe
        return plan
    }

    private func memory(_ plan: Plan) throws -> RankMemory {
        try LayoutMemory(Pricer(plan: plan).work(plan.layout ?? Layout())).rank(0)
    }

    private func breakdown(_ plan: Plan) throws -> StepBreakdown {
        IterationTime(try Pricer(plan: plan).work(plan.layout ?? Layout())).breakdown
    }

    /// Weights of a block's products: query and output h · h, keys and values h · h/4 each, three h · f.
    static let weights = 8.0 * (2.5 * 4096 * 4096 + 3 * 4096 * 14336)

    static let copies: [(Recipe.Scaling, String, Double)] = [
        (.delayed, "h100-80g-sxm", 2.0), (.tensorwise, "h100-80g-sxm", 2), (.tensorwise, "b200-sxm", 1),
        (.blockwise, "h100-80g-sxm", 2 + 8.0 / 16384), (.mxfp8, "b200-sxm", 2 + 2.0 / 32),
        (.nvfp4, "b200-sxm", 1 + 2.0 / 16),
    ]

    /// Copies of the weights along rows and columns, with their scaling factors: two 8-bit ones on Hopper, one on Blackwell
    /// where a tensor has one factor; Transformer Engine's documentation, "Handling transposes" of each recipe.
    @Test(arguments: copies)
    func weightCopies(_ scaling: Recipe.Scaling, _ cluster: String, _ each: Double) throws {
        let bf16 = try memory(Self.plan(nil, cluster: cluster)).weights
        #expect(abs(try memory(Self.plan(Recipe(scaling), cluster: cluster)).weights - bf16 - each * Self.weights) < 1)
        var gathered = Recipe(scaling)
        gathered.parameterGather = true
        #expect(abs(try memory(Self.plan(gathered, cluster: cluster)).weights - bf16 - (each - 2) * Self.weights) < 1)
    }

    static let kept: [(Recipe.Scaling, Double)] = [(.tensorwise, 1), (.mxfp8, 33.0 / 32), (.nvfp4, 9.0 / 16)]

    /// Per token and block a llama block keeps in bf16 what its backward reads; of it the results of both norms (2h) and
    /// the input of the last product (f) in the recipe's format.
    @Test(arguments: kept)
    func keptActivations(_ scaling: Recipe.Scaling, _ bytes: Double) throws {
        func kept(_ recipe: Recipe?) throws -> Double {
            LayoutMemory(try Pricer(plan: Self.plan(recipe)).work(Layout())).blockActivationBytes(rank: 0)
        }
        let saved = try kept(nil) - kept(Recipe(scaling))
        #expect(abs(saved - 8 * 4096 * (2 - bytes) * (2 * 4096 + 14336)) < 1)
        // Blocks in bf16 keep what they keep in bf16.
        var ends = Recipe(scaling)
        (ends.bf16LayersAtStart, ends.bf16LayersAtEnd) = (1, 2)
        let all = try memory(Self.plan(ends)).activations - memory(Self.plan(Recipe(scaling))).activations
        #expect(abs(all - saved * 3 / 8) < 1)
    }

    /// Every recipe is faster than bf16 in large products, NVFP4 is the fastest; blocks in bf16 take their time.
    @Test func time() throws {
        let large = MemoryCaseTests.llama(layers: 8, ffn: 53248)
        func compute(_ recipe: Recipe?) throws -> Double {
            try breakdown(Self.plan(recipe, Layout(microbatch: 4), model: large)).compute
        }
        let bf16 = try compute(nil)
        let (mxfp8, nvfp4) = (try compute(Recipe(.mxfp8)), try compute(Recipe(.nvfp4)))
        #expect(nvfp4 < mxfp8 && mxfp8 < bf16)
        // Two reads of the tensor, and norms and activations that write 16 bits, cost time.
        #expect(try compute(Recipe(.tensorwise)) > mxfp8)
        var ends = Recipe(.nvfp4)
        ends.bf16LayersAtStart = 4
        ends.bf16LayersAtEnd = 4
        let none = try compute(ends)
        #expect(none > mxfp8 && abs(none / bf16 - 1) < 0.01)
    }

    /// A plan in fp8 without a recipe is priced as before: bf16 weights and activations, no copies.
    @Test func fp8AloneKeepsItsMeaning() throws {
        let (fp8, bf16) = (try memory(Self.plan(nil, precision: .fp8)), try memory(Self.plan(nil)))
        #expect(fp8.weights == bf16.weights && fp8.activations == bf16.activations)
    }

    /// Half of the bytes of a sharded optimizer's gathering, except in MXFP8, which gathers bf16.
    @Test func gathering() throws {
        let layout = Layout(data: 8, sharding: .optimizer, overlap: Layout.Overlap(data: false))
        func bytes(_ recipe: Recipe) throws -> Double {
            Traffic(try Pricer(plan: Self.plan(recipe, layout)).work(layout), rank: 0).dense.weights
        }
        let savings: [(Recipe.Scaling, Double)] = [(.tensorwise, 1), (.mxfp8, 0), (.nvfp4, 2 - 9.0 / 16)]
        for (scaling, less) in savings {
            var gathered = Recipe(scaling)
            gathered.parameterGather = true
            #expect(abs(try bytes(Recipe(scaling)) - bytes(gathered) - less * Self.weights * 7 / 8) < 1)
        }
    }
}

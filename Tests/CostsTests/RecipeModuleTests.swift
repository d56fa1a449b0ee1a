import Costs
import Models
import Plans
import PricingSupport
import Reading
import TestSupport
import Testing

/// Modules that are recomputed by themselves in runs of 8 and 4 bits.
@Suite struct RecipeModuleTests {
    private func plan(_ precision: String, _ modules: String, framework: String = "megatron-core") throws -> Plan {
        try Plan.read(
            text: """
                model: deepseek-v3
                cluster: h800-80g-sxm
                devices: 64
                batch: 64
                precision: \(precision)
                framework: \(framework)
                layout: {data: 64, expert: 64, sharding: optimizer\(modules.isEmpty ? "" : ", recompute: selective, recomputeModules: [\(modules)]")}
                """, path: "plan.yaml", library: Checkout.library)
    }

    private func work(_ precision: String, _ modules: String, framework: String = "megatron-core") throws -> LayoutWork
    {
        let plan = try plan(precision, modules, framework: framework)
        return try Pricer(plan: plan).work(try #require(plan.layout))
    }

    private func kept(_ precision: String, _ modules: String, framework: String = "megatron-core") throws -> Double {
        LayoutMemory(try work(precision, modules, framework: framework)).blockActivationBytes(rank: 0)
    }

    /// Bytes that a row of 4,096 keeps less in the 61 blocks of DeepSeek-V3, 58 of them with experts, in block-wise 8 bits
    /// (1 + 4/128 bytes): its norm before attention in 8 bits, that before experts in 16, as the router reads it; queries, keys
    /// and values of 128 heads of 192, 192 and 128 in 16 bits; the activations of 8 experts of 2,048 in 8 bits.
    @Test func deepSeeksOwnModules() throws {
        let all = try kept("{recipe: blockwise}", "")
        let eight = 1 + 4.0 / 128
        let norms = 61 * eight * 7168 + 58 * 2 * 7168
        let projections = 61.0 * 2 * 128 * (192 + 192 + 128)
        let activations = 58 * eight * 8 * 2048
        let cases: [(String, Double)] = [
            ("layernorm", norms), ("mla_up_proj", projections), ("moe_act", activations),
            ("layernorm, mla_up_proj, moe_act", norms + projections + activations),
        ]
        for (modules, freed) in cases {
            let found = all - (try kept("{recipe: blockwise}", modules))
            #expect(abs(found - 4096 * freed) < 1)
        }
        // Software whose norms all stand alone frees those before the three dense networks too.
        let others = try ["", "layernorm"].map { try kept("{recipe: blockwise}", $0, framework: "deepseek-2024") }
        let alone = norms + 3 * eight * 7168
        #expect(abs(others[0] - others[1] - 4096 * alone) < 1)
    }

    /// Inputs of SwiGLU in 8 bits: gate and input of 8 routed experts and a shared one of 2,048, of three dense networks of
    /// 18,432, a byte less each. A network that is computed again keeps none.
    @Test func inputsOfSwiGLU() throws {
        let stored = "{recipe: blockwise, activationFuncFP8InputStore: true}"
        let networks: Double = 3 * 2 * 18432
        let experts: Double = 58 * 2 * 9 * 2048
        for (modules, freed) in [
            ("", networks + experts), ("layernorm, mla_up_proj, moe_act", networks + experts), ("mlp", experts),
            ("moe", networks),
        ] {
            let less = try kept("{recipe: blockwise}", modules) - kept(stored, modules)
            #expect(abs(less - 4096 * freed) < 1, "\(modules)")
        }
        let problems = #expect(throws: PlanProblems.self) {
            try Plan.read(
                text: """
                    model: gpt3-175b
                    cluster: h800-80g-sxm
                    devices: 64
                    batch: 64
                    precision: \(stored)
                    """, path: "plan.yaml", library: Checkout.library)
        }
        #expect(problems?.problems.map(\.field) == ["precision.activationFuncFP8InputStore"])
    }

    /// A dense network that is computed again keeps its input of 7,168 numbers in 16 bits, and none of its 18,432 gates and
    /// inputs in 16 bits and results in 8.
    @Test func aNetworkKeepsItsInputWhole() throws {
        let eight = 1 + 4.0 / 128
        let freed = (try kept("{recipe: blockwise}", "")) - (try kept("{recipe: blockwise}", "mlp"))
        let row: Double = (2 * 2 + eight) * 18432 - (2 - eight) * 7168
        #expect(abs(freed - 4096 * 3 * row) < 1)
    }

    /// A norm that is computed again is cast again: 2 bytes read, and two copies with their factors written.
    @Test func aNormIsCastAgain() throws {
        func seconds(_ precision: String) throws -> [Double] {
            try work(precision, "layernorm").units.blocks.map(\.backward.recompute)
        }
        let device = try plan("bf16", "").cluster.device
        let cast = 4096 * 7168 * (2 + 2 * (1 + 4.0 / 128)) / (device.memoryBytesPerSecond * device.memoryEfficiency)
        for (low, high) in zip(try seconds("{recipe: blockwise}"), try seconds("bf16")) {
            #expect(abs(low - high - cast) < 1e-6 * cast)
        }
    }

    /// Products with delayed scaling keep their inputs in 8 bits alone.
    @Test(arguments: ["layernorm", "moe_act", "core_attn, moe_act"]) func delayedScalingKeepsNoOriginals(
        _ modules: String
    ) throws {
        #expect(throws: PlanProblems.self) { try plan("{recipe: delayed}", modules) }
        #expect(throws: Never.self) { try plan("{recipe: delayed}", "mla_up_proj, mlp") }
    }
}

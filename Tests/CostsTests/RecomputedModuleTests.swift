import Costs
import Models
import Plans
import PricingSupport
import TestSupport
import Testing

/// Modules of blocks that are recomputed by themselves.
@Suite struct RecomputedModuleTests {
    private func work(_ text: String) throws -> LayoutWork {
        let plan = try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
        return try Pricer(plan: plan).work(try #require(plan.layout))
    }

    private func kept(_ text: String) throws -> Double {
        LayoutMemory(try work(text)).blockActivationBytes(rank: 0)
    }

    /// Nemotron 3 Nano on 16 H100 with Megatron-Core, a micro-batch of one sequence of 8,192 tokens (NVIDIA, Megatron-Bridge,
    /// skills/nemo-mbridge-perf-activation-recompute, runs of August 2026 that differ in their modules alone): `moe_act`
    /// lowers rank 0's peak from 66.297 to 62.103 GB; `layernorm` beside `moe` lowers it from 64.653 to 63.639 GB.
    @Test func publishedPeaksOfNemotron() throws {
        func nemotron(_ recompute: String, framework: String = "megatron-core-graphs") -> String {
            """
            model:
              {family: llama, layers: 52, hidden: 2688, heads: 32, kvHeads: 2, headSize: 128, mlp: squaredRelu, vocab: 131072,
               sequence: 8192,
               kinds: {mixer: {halves: attention, mamba2: {heads: 64, headSize: 64, stateSize: 128, groups: 8}},
                       experts: {halves: feedForward, moe: {experts: 128, topK: 6, ffn: 1856, shared: 1, sharedFfn: 3712}},
                       attention: {halves: attention}},
               pattern: (mixer experts)*23 attention*6, ffn: 3712}
            cluster: h100-80g-sxm
            devices: 16
            batch: 16
            framework: \(framework)
            layout: {data: 16, expert: 8, sharding: optimizer\(recompute)}
            """
        }
        let all = try kept(nemotron(""))
        let activations = try kept(nemotron(", recompute: selective, recomputeModules: [moe_act]"))
        #expect(abs((all - activations) / 4.194e9 - 1) < 0.001)
        let experts = try kept(nemotron(", recompute: selective, recomputeModules: [moe]"))
        let norms = try kept(nemotron(", recompute: selective, recomputeModules: [moe, layernorm]"))
        #expect(abs((experts - norms) / 1.014e9 - 1) < 0.002)
        // Software whose norms all stand alone frees those of 23 + 6 attention halves too.
        let others = try [", layernorm", ""].map {
            try kept(
                nemotron(", recompute: selective, recomputeModules: [moe\($0)]", framework: "deepseek-2024"))
        }
        #expect(abs((others[1] - others[0]) / (52.0 * 8192 * 2688 * 2) - 1) < 1e-9)
    }

    static let deepSeek = """
        model: deepseek-v3
        cluster: h800-80g-sxm
        devices: 2048
        batch: 15360
        framework: megatron-core
        """

    /// Modules of one block take no longer than a forward of it, and a mixture holds its own modules.
    @Test func aMixtureHoldsItsModules() throws {
        func recompute(_ modules: String) throws -> (seconds: Double, kept: Double) {
            let text =
                Self.deepSeek
                + "\nlayout: {data: 128, pipeline: 16, expert: 64, sharding: optimizer, recompute: selective, "
                + "recomputeModules: [\(modules)]}\n"
            let work = try work(text)
            return (
                work.units.blocks.reduce(0) { max($0, $1.backward.recompute) },
                LayoutMemory(work).blockActivationBytes(rank: 0)
            )
        }
        let (mixture, nested) = (try recompute("moe"), try recompute("moe, moe_act, shared_experts"))
        #expect(mixture == nested)
        let parts = try ["moe_act", "shared_experts", "layernorm", "mla_up_proj"].map(recompute)
        #expect(parts.allSatisfy { $0.seconds > 0 && $0.seconds < mixture.seconds })
    }
}

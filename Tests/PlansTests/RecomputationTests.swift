import Models
import Reading
import TestSupport
import Testing

import Plans

/// What a layout says about recomputation: read, written back, refused.
@Suite struct RecomputationTests {
    private func read(_ layout: String, model: String = "gpt3-175b", framework: String = "") throws(PlanProblems)
        -> Plan
    {
        let text = """
            model: \(model)
            cluster: h100-80g-sxm
            batch: 64
            \(framework)
            layout: {\(layout)}
            """
        return try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
    }

    static let kept: [(String, RecomputedBlocks, RecomputeModules, String)] = [
        ("recompute: full", .all, [], "full"), ("recompute: full, recomputeLayers: 3", .first(3), [], "full 3 a stage"),
        ("recompute: full, recomputeMethod: block, recomputeLayers: 3", .first(3), [], "full 3 a stage"),
        (
            "recompute: full, pipeline: 4, recomputeLayers: [3, 2, 2, 0]", .firstOfStage([3, 2, 2, 0]), [],
            "full 3, 2 × 2, 0 by stage"
        ),
        ("recompute: full, recomputeEvery: 2", .every(2), [], "full every second block"),
        ("recompute: full, recomputeEvery: 5", .every(5), [], "full every 5th block"),
        ("recompute: full, recomputeEvery: 1", .all, [], "full"),
        ("recompute: full, recomputeMethod: uniform", .all, [], "full"),
        ("recompute: full, recomputeMethod: uniform, recomputeLayers: 1", .all, [], "full"),
        ("recompute: full, recomputeMethod: uniform, recomputeLayers: 4", .runs(4), [], "full in runs of 4"),
        ("recompute: selective", .all, [], "selective"),
        (
            "recompute: selective, recomputeModules: [mlp, core_attn]", .all, [.network, .coreAttention],
            "selective core_attn, mlp"
        ),
    ]

    @Test(arguments: kept)
    func isReadAndWritten(
        _ layout: String, _ blocks: RecomputedBlocks, _ modules: RecomputeModules, _ words: String
    ) throws {
        let plan = try read(layout)
        let found = try #require(plan.layout)
        #expect(found.recomputed == blocks && found.recomputeModules == modules && found.recomputeWords == words)
        let again = try Plan.read(
            text: plan.yaml(library: Checkout.library), path: "again.yaml", library: Checkout.library)
        #expect(again.layout == found)
    }

    @Test(arguments: [
        ("recompute: selective, recomputeLayers: 2", "it needs recompute full"),
        ("recompute: none, recomputeModules: [mlp]", "it needs recompute selective"),
        ("recompute: full, recomputeMethod: uniform, recomputeLayers: [2]", "must be one number with recomputeMethod"),
        ("recompute: full, recomputeMethod: uniform, recomputeEvery: 2", "a second time, beside recomputeMethod"),
        ("recompute: selective, recomputeModules: []", "names no module"),
        ("recompute: selective, recomputeModules: [mla_up_proj]", "the model has no latent attention"),
        ("recompute: selective, recomputeModules: [moe_act]", "the model has no experts"),
        ("recompute: selective, recomputeModules: [shared_experts]", "the model has no shared experts"),
        ("recompute: full, pipeline: 2, recomputeLayers: [1, 1, 1]", "must name 2 stages"),
    ])
    func contradictionsAreRefused(_ layout: String, _ rule: String) {
        do {
            _ = try read(layout)
            Issue.record("\(layout) is read")
        } catch {
            #expect(error.problems.contains { $0.rule.contains(rule) && $0.line == 5 }, "\(error.problems)")
        }
    }

    /// Megatron-Core's dense blocks have no norm that stands alone; DeepSeek-V3's have.
    @Test func normsInsideProducts() throws {
        func remarks(_ model: String, _ framework: String) throws -> [Remark] {
            try read(
                "recompute: selective, recomputeModules: [layernorm]", model: model,
                framework: "framework: \(framework)"
            ).remarks.filter { $0.text.contains("layernorm frees nothing on megatron-core") }
        }
        #expect(try remarks("gpt3-175b", "megatron-core").count == 1)
        #expect(try remarks("gpt3-175b", "torch-fsdp").isEmpty)
        #expect(try remarks("deepseek-v3", "megatron-core").isEmpty)
    }
}

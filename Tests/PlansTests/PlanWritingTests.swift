import Foundation
import Plans
import Reading
import TestSupport
import Testing

@Suite struct PlanWritingTests {
    /// Every plan that is shipped, written and read again from elsewhere.
    @Test func shippedPlansReadBackAsTheyWere() throws {
        for folder in ["plans", "plans/strategies"] {
            let files = try FileManager.default.contentsOfDirectory(atPath: "\(Checkout.root)/\(folder)")
            let plans = files.filter { $0.hasSuffix(".yaml") }
            #expect(!plans.isEmpty)
            for file in plans {
                let plan = try Plan.read(path: "\(Checkout.root)/\(folder)/\(file)", library: Checkout.library)
                try check(plan)
            }
        }
    }

    @Test(arguments: [
        "cluster: {extends: a100-80g-sxm, price: 3.5}", "cluster: {extends: h100-80g-sxm, nicGbps: 100}",
        "cluster: a100-80g-sxm\nframework: torch-ddp",
        "cluster: a100-80g-sxm\nmeasured: {seconds: 2.5, memory: 30 GiB}",
    ])
    func whatIsSpecialIsKept(_ line: String) throws {
        try check(try PlanText.read(BadPlan.good.replacing("cluster: a100-80g-sxm", with: line)))
    }

    /// 61 layers over 32 stages, those between the ends alike, would leave the ends 16 and 15 blocks.
    @Test func aDivisionThatNobodyRunsIsNotPriced() throws {
        let plan = try PlanText.read(
            """
            model: deepseek-v3
            cluster: h800-80g-sxm
            devices: 2048
            batch: 15360
            layout: {pipeline: 32, data: 64, microbatch: 4}
            """)
        #expect(plan.layout?.layersPerStage == nil)
        #expect(plan.remarks.contains { $0.text.contains("does not divide 61 layers over 32 stages") })
    }

    @Test func everyKeyOfALayoutIsKept() throws {
        let layout = """
            layout:
              tensor: 2
              pipeline: 2
              data: 2
              microbatch: 4
              virtualStages: 2
              schedule: zbv
              recompute: full
              recomputeLayers: 2
              sharding: parameters
              shardGroup: 1
              sequenceParallel: true
              flashAttention: false
              gradients: bf16
              overlap: {data: false, tensor: true, pipeline: false, expert: true}
              layersPerStage: [2, 4, 3, 3]
            """
        let text = BadPlan.good.components(separatedBy: "layout:\n")[0] + layout
        try check(try PlanText.read(text.replacing("name: gpt", with: "name: 'it''s: #1'")))
    }

    @Test func everyExchangeOfALayoutIsKept() throws {
        try check(
            try PlanText.read(
                """
                model: {family: llama, layers: 4, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048, \
                moe: {experts: 8, topK: 2, ffn: 1024, shared: 1}}
                tokens: 1B
                cluster: {extends: h100-80g-sxm, networks: [{name: nvlink, bandwidth: 450 GB/s, latency: 5 us, \
                efficiency: 0.8, oversubscription: 2}, {name: rails, latency: 5 us, efficiency: 0.8, railOnly: true}]}
                devices: 16
                batch: 16
                layout: {context: 4, data: 4, expert: 4, contextExchange: headsAndRing, contextHeads: 2, \
                dispatcher: hybridep, sharding: parameters, shardGroup: 8, outerSharding: optimizer, \
                overlap: {sharedExperts: true}}
                """))
        try check(
            PlanText.read(
                """
                model: {family: llama, layers: 4, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048}
                tokens: 1B
                cluster: h100-80g-sxm
                devices: 8
                batch: 16
                layout: {pipeline: 4, data: 2, vocabularyParallel: vocab-1}
                """))
    }

    @Test func namesThatNeedQuotesAreQuoted() throws {
        for name in ["it's: #1", "yes", "1e3", "a100-80g-sxm (price 2)", "- x", "null"] {
            var plan = try PlanText.read(BadPlan.good)
            plan.name = name
            try check(plan)
        }
    }

    /// Written and read, it is the same plan; what was remarked on is said again or not.
    private func check(_ plan: Plan, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let text = plan.yaml(library: Checkout.library)
        var read = try PlanText.read(text)
        var plan = plan
        (plan.remarks, read.remarks) = ([], [])
        // A text that exists is named from the root.
        if let data = plan.train?.data, read.train?.data.hasSuffix("/" + data) == true { read.train?.data = data }
        if let layout = plan.layout {
            // The software is named, which the plan may have left to the layout.
            #expect(read.framework(for: layout) == plan.framework(for: layout), sourceLocation: sourceLocation)
            read.frameworks.named = plan.frameworks.named
        }
        #expect(read == plan, "\(text)", sourceLocation: sourceLocation)
    }
}

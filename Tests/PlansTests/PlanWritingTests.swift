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
    /// Figures are written as people write them, and read back to the last digit.
    @Test(arguments: [
        (10e9, Quantity.Unit.count, "10B"), (14.8e12, .count, "14.8T"), (1234567, .count, "1234567.0"),
        (19.9 * 1e-6, .seconds, "19.9 us"), (0.0025, .seconds, "2.5 ms"), (12.5, .seconds, "12.5 s"),
        (0, .seconds, "0 s"),
        (80 * 0x1p30, .bytes, "80 GiB"), (80e9, .bytes, "80 GB"), (3e11, .bytesPerSecond, "300 GB/s"),
        (989e12, .flops, "989 TFLOP/s"), (700, .watts, "700 W"), (0.1 + 0.2, .seconds, "0.30000000000000004 s"),
    ])
    func figuresAreWrittenAsPeopleWriteThem(_ value: Double, _ unit: Quantity.Unit, _ text: String) throws {
        #expect(Quantity.written(value, as: unit) == text)
        #expect(try Quantity.parse(text, as: unit) == value)
    }

    @Test func anyFigureReadsBackToTheLastDigit() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let value = Double.random(in: 1...10, using: &random) * (Int.random(in: -9...15, using: &random)).power
            for unit in [Quantity.Unit.count, .seconds, .bytes, .bytesPerSecond, .flops, .watts, .gigabits] {
                #expect(try Quantity.parse(Quantity.written(value, as: unit), as: unit) == value)
            }
        }
    }

    private func check(_ plan: Plan, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let text = plan.yaml(library: Checkout.library)
        var read = try PlanText.read(text)
        var plan = plan
        (plan.remarks, read.remarks) = ([], [])
        // A text that exists is named from the root.
        if let data = plan.train?.data, read.train?.data.hasSuffix("/" + data) == true { read.train?.data = data }
        if let layout = plan.layout {
            // The software is stated, which the plan may have left to the layout, and is assumed then as before.
            #expect(read.framework(for: layout) == plan.framework(for: layout), sourceLocation: sourceLocation)
            #expect(read.frameworks.named == plan.frameworks.named, sourceLocation: sourceLocation)
            read.frameworks.assumed = plan.frameworks.assumed
        }
        // Written plans state the precision, and the software of a layout.
        #expect(!read.openKeys.contains(.precision), sourceLocation: sourceLocation)
        read.openKeys = plan.openKeys
        #expect(read == plan, "\(text)", sourceLocation: sourceLocation)
    }
}

extension Int {
    /// Ten to this power.
    fileprivate var power: Double { Double("1e\(self)") ?? 1 }
}

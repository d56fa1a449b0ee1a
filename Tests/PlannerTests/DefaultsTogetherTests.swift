import Costs
import Planner
import Plans
import Reading
import TestSupport
import Testing

/// Defaults that decide together, and those beside the layout.
@Suite struct DefaultsTogetherTests {
    private func plan(_ lines: [String]) throws -> Plan {
        try Plan.read(text: lines.joined(separator: "\n"), path: "plan.yaml", library: Checkout.library)
    }

    private func remarks(_ plan: Plan) throws -> [String] {
        let layout = try #require(plan.layout)
        return try price(plan: plan, layout: layout).defaultRemarks().filter { $0.code == .defaultDecides }.map(\.text)
    }

    private let natural = [
        "model: deepseek-v3", "tokens: 14.8T", "cluster: h800-80g-sxm", "devices: 2048", "batch: 15360",
        "precision: fp8",
    ]

    /// DeepSeek-V3's own split without its schedule and recomputation is priced far from what was run, and the answer says
    /// by how much less with the keys that decide, stated together.
    @Test func theNaturalPlanNamesWhatDecidesTogether() throws {
        let open = natural + ["layout: {pipeline: 16, expert: 64, data: 128, sharding: optimizer}"]
        let said = try remarks(try plan(open)).filter { $0.hasSuffix(" together") || $0.contains(" together, and") }
        #expect(said.count == 1)
        let remark = try #require(said.first)
        #expect(remark.contains("layout.overlap: {expert: true}"))
        // The plan that states them all takes as long as the remark says.
        let keys = remark.matches(of: #/layout\.([A-Za-z]+: (?:\{[^}]*\}|[a-z0-9-]+))/#).map { String($0.1) }
        #expect(keys.count > 1)
        let stated = try plan(
            natural + [
                "framework: megatron-core",
                "layout: {pipeline: 16, expert: 64, data: 128, sharding: optimizer, \(keys.joined(separator: ", "))}",
            ])
        let (before, after) = (try plan(open), stated)
        let (own, better) = (try #require(before.layout), try #require(after.layout))
        let (a, b) = (try price(plan: before, layout: own), try price(plan: after, layout: better))
        let named = try #require(remark.firstMatch(of: #/−([0-9.]+) days/#).flatMap { Double($0.1) })
        let less = try #require(a.run).days - (try #require(b.run)).days
        #expect(abs(named / less - 1) < 0.02)
        #expect(b.fits || !a.fits)
    }

    @Test func precisionAndSoftwareThatAreLeftOutAreNamed() throws {
        let layout =
            "layout: {tensor: 8, data: 8, microbatch: 2, sequenceParallel: true, sharding: optimizer, recompute: none}"
        let own = ["model: llama3-8b", "tokens: 1T", "cluster: h100-80g-sxm", "devices: 64", "batch: 512", layout]
        let said = try remarks(try plan(own))
        #expect(said.contains { $0.contains("with precision: fp8") })
        #expect(try !remarks(try plan(own + ["precision: bf16"])).contains { $0.contains("precision:") })
        #expect(try !remarks(try plan(own + ["framework: megatron-core"])).contains { $0.contains("framework:") })
        // The price is that of the plan which states it.
        let remark = try #require(said.first { $0.contains("with precision: fp8") })
        let named = try #require(remark.firstMatch(of: #/−([0-9.]+) days/#).flatMap { Double($0.1) })
        func days(_ lines: [String]) throws -> Double {
            let plan = try plan(lines)
            let layout = try #require(plan.layout)
            return try #require(try price(plan: plan, layout: layout).run).days
        }
        #expect(abs(named / (try days(own) - days(own + ["precision: fp8"])) - 1) < 0.02)
    }
}

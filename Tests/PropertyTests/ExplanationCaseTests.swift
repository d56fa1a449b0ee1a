import Costs
import Foundation
import Planner
import Plans
import Reports
import Testing

/// Explanations of single plans, against numbers from elsewhere.
@Suite struct ExplanationCaseTests {
    private func lines(_ text: String) throws -> [String: PrintedLine] {
        let plan = try Plan.reading(text)
        let estimate = try price(plan: plan, layout: try #require(plan.layout)).explained()
        let lines = try PrintedLine.lines(text: ExplanationText(estimate).text())
        return Dictionary(lines.map { ($0.figure, $0) }) { first, _ in first }
    }

    /// 671 billion parameters, 37 billion of them active (DeepSeek-AI 2024, abstract), and not the 38.5 billion of a dense
    /// model of these widths. The exact total is that of the published tensors.
    @Test func aMixtureWithLatentAttention() throws {
        let lines = try lines(
            """
            model: {name: deepseek-v3}
            tokens: 14.8T
            cluster: h800-80g-sxm
            devices: 2048
            batch: 15360
            precision: fp8
            framework: deepseek-2024
            layout: {pipeline: 16, virtualStages: 2, expert: 64, data: 128, schedule: dualpipe, recompute: full,
                     recomputeLayers: 3, sharding: optimizer, overlap: {expert: true}}
            """)
        let all = try #require(lines["parameters"])
        #expect(all.value == 671_026_404_352)
        #expect(try FormulaByHand.value(all.formula, all.inputs) == 671_026_404_352)
        let active = try #require(lines["active parameters"])
        #expect(abs(active.value / 37e9 - 1) < 0.02)
        #expect(try FormulaByHand.value(active.formula, active.inputs) == active.value)
    }

    /// The framework's file says 4.2 GiB, the device's 2.
    @Test func whatTheFrameworkReserves() throws {
        let lines = try lines(
            """
            model: {name: gpt3-175b}
            cluster: a100-80g-sxm
            devices: 64
            batch: 64
            layout: {tensor: 8, pipeline: 8, flashAttention: false, sequenceParallel: true, recompute: selective}
            framework: megatron-2021
            """)
        let reserved = try #require(lines["other memory"]?.inputs["reserved"])
        #expect(abs(reserved / 0x1p30 - 4.2) < 1e-4)
    }

    /// 8,030,261,248 parameters of 4 bytes over the 8 ranks of a shard group, not over the 64 with the same parameters.
    @Test func whatAShardGroupSharesOut() throws {
        let lines = try lines(
            """
            model: {name: llama3-8b}
            cluster: h100-80g-sxm
            devices: 64
            batch: 64
            layout: {data: 64, sharding: parameters, shardGroup: 8}
            """)
        let weights = try #require(lines["weights"])
        #expect(weights.inputs["S"] == 8)
        #expect(weights.value == 8_030_261_248 * 4 / 8)
    }

    /// The reader of the tests reads what the program's own reads, and neither reads what is none.
    @Test(arguments: [
        ("2 + 3·4^2", 50), ("−2^2 + 1", -3), ("max(a, 7 − b)/2", 3), ("2·−a", -4), ("8/2/2", 2), ("2^3^2", 512),
        ("ceil(7/2) − floor(7/2)", 1), ("sqrt(a·8)·(1 + exp(0)) − ln(1)", 8), ("min(a, b, 0.5)", 0.5),
        ("10 − 3 − 2", 5), ("(a + b)·(a − b)", 3),
    ])
    func formulas(_ text: String, _ right: Double) throws {
        let values = ["a": 2.0, "b": 1]
        let formula = try #require(Formula(text))
        #expect(formula.value(values) == right)
        #expect(try FormulaByHand.value(text, values) == right)
    }

    @Test(arguments: ["", "1 +", "(1", "1)", "a b", "most(1)", "1..2", "+ 1", "max()"])
    func whatIsNoFormula(_ text: String) {
        #expect(Formula(text) == nil)
    }

    @Test func whatIsMissingHasNoValue() {
        #expect(Formula("a + b")?.value(["a": 1]) == nil)
        #expect(Formula("a·b + a")?.symbols == ["a", "b"])
    }
}

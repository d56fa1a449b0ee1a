import Models
import Plans
import Reading
import Testing

/// Sizes that are each within their bounds and together beyond 64 bits.
@Suite struct SizeTests {
    private static let mixture =
        "{family: llama, layers: 10000, hidden: 1048576, heads: 16384, ffn: 16777216, vocab: 1000, sequence: 1024, "
        + "moe: {experts: 16384, topK: 1, ffn: 16777216}}"

    private func plan(_ model: String, _ layout: String, batch: Int = 1024, devices: Int? = 1024) -> String {
        """
        model: \(model)
        tokens: 1T
        cluster: a100-80g-sxm
        batch: \(batch)
        layout: \(layout)
        """ + (devices.map { "\ndevices: \($0)" } ?? "")
    }

    @Test(
        arguments: [
            "{data: 1000000, tensor: 1000000, pipeline: 10000, context: 1000000}",
            "{data: 1000000, tensor: 1000000, pipeline: 1000000, context: 1000000}",
            "{tensor: 1000000, pipeline: 1000000, context: 1000000}", "{data: 1000000, tensor: 16}",
            "{data: 1000000, tensor: 1000000, pipeline: 1000000, virtualStages: 10000, microbatch: 100000000}",
        ], [nil, 1024, 10_000_000])
    func degreesBeyondAnyMachineAreNamed(_ layout: String, devices: Int?) throws {
        let error = try #require(throws: PlanProblems.self) {
            try PlanText.read(plan("{name: gpt3-175b}", layout, batch: 1_000_000, devices: devices))
        }
        let first = try #require(error.problems.first)
        #expect(error.problems.count == 1)
        guard first.field == "layout" else {
            // The data-parallel degree follows from the devices, and the rest is one machine's.
            #expect(first.field == "devices")
            return
        }
        #expect(first.kind == .input)
        #expect(first.description.contains("plan.yaml:5:9: layout: asks for more than the 10,000,000 devices"))
        #expect(first.description.contains("tensor"))
    }

    @Test func expertDegreesToo() throws {
        let layout = "{data: 1024, expert: 1000000, expertTensor: 1000000}"
        let lines = PlanText.problems(plan("{name: deepseek-v3}", layout))
        #expect(lines.count == 1)
        #expect(lines[0].contains("(found expert 1,000,000 · expertTensor 1,000,000)"))
    }

    @Test(arguments: ["auto", "{data: 1024}"])
    func moreParametersThanAreCountedAreRefused(_ layout: String) throws {
        let error = try #require(throws: PlanProblems.self) { try PlanText.read(plan(Self.mixture, layout)) }
        #expect(
            error.problems.map(\.description) == [
                "plan.yaml:1:8: model: has more parameters than the 1,000,000,000,000,000 that are counted "
                    + "(found about 8646955436.84T); lower layers, hidden, ffn, vocab or the experts"
            ])
        #expect(!error.isMisfitOnly)
    }

    /// The bound is far beyond the largest published model, and one shape short of it is counted exactly.
    @Test func aShapeBelowTheLimitIsCounted() throws {
        let model =
            "{family: llama, layers: 1000, hidden: 131072, heads: 1024, ffn: 524288, vocab: 1000, sequence: 1024}"
        // h·a·d·4 + 3·h·f + 2·h a block, the two tables and the last norm.
        let h = 131_072
        let total = 1000 * (4 * h * h + 3 * h * 524_288 + 2 * h) + 2 * 1000 * h + h
        #expect(try PlanText.read(plan(model, "auto")).model.parameters().total == total)
    }

    @Test func aStoredShapeKeepsTheBounds() {
        func shape(_ change: (inout Model) -> Void) -> [String] {
            var model = Model(family: .llama, layers: 2, hidden: 64, heads: 4, kvHeads: 2, vocab: 256, sequence: 32)
            change(&model)
            return model.problems.map(\.description)
        }
        #expect(shape { _ in }.isEmpty)
        #expect(shape { $0.layers = 0 } == ["layers: must be a whole number from 1 to 10,000 (found 0)"])
        #expect(shape { $0.hidden = -64 }.first?.hasPrefix("hidden: ") == true)
        #expect(shape { $0.sequence = .max }.first?.hasPrefix("sequence: ") == true)
        #expect(
            shape { $0.kvHeads = 3 } == [
                "kvHeads: must divide heads 4 (found 3); every key/value head serves the same number of heads"
            ])
        #expect(
            shape { $0.moe = Model.Mixture(experts: 2, topK: 3, ffn: 8) }.first?.hasPrefix("moe.topK: ") == true)
        #expect(shape { $0.moe = Model.Mixture(experts: 2, topK: 1, ffn: 8, every: 0) }.count == 1)
        #expect(
            shape { $0.moe = Model.Mixture(experts: 2, topK: 1, ffn: 8, imbalance: 0.5) } == [
                "moe.imbalance: must be from 1 to 1000 (found 0.5)"
            ])
        #expect(shape { $0.moe = Model.Mixture(experts: 2, topK: 1, ffn: 8, imbalance: .nan) }.count == 1)
        #expect(
            shape { $0.moe = Model.Mixture(experts: 2, topK: 1, ffn: 8, nodeLimit: 0) } == [
                "moe.nodeLimit: must be a whole number from 1 to 16,384 (found 0)"
            ])
        #expect(
            shape {
                $0.layers = 10_000
                $0.hidden = 1 << 20
                $0.moe = Model.Mixture(experts: 16_384, topK: 1, ffn: 1 << 24)
            }.first?.contains("more parameters") == true)
    }
}

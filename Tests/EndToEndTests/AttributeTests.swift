import Foundation
import TestSupport
import Testing

/// `trainyard attribute` as a user runs it: steps that are simulated with a known disturbance must be explained by it.
@Suite struct AttributeTests {
    private static let plan = """
        model: {family: llama, layers: 16, hidden: 4096, heads: 32, ffn: 11008, vocab: 32000, sequence: 4096}
        cluster: h100-80g-sxm
        devices: 32
        batch: 64
        layout: {tensor: 2, pipeline: 4, data: 4, sequenceParallel: true, sharding: optimizer, recompute: selective}
        """

    private struct Document: Decodable {
        struct Part: Decodable {
            var title: String
            var parts: [String]
            var expectedSeconds, measuredSeconds: Double
        }
        struct Rank: Decodable {
            var stage: Int
            var slowness: Double
        }
        var expectedSeconds, measuredSeconds: Double
        var parts: [Part]
        var ranks: [Rank]
        var findings: [String]
    }

    private func attribute(_ simulation: [String], _ options: [String] = []) throws -> BuiltProgram.Outcome {
        let folder = try TemporaryFolder()
        let plan = try folder.write(Self.plan, as: "plan.yaml")
        let program = try BuiltProgram("trainyard")
        let simulated = try program.run(["simulate", plan, "--trace", folder["trace.json"]] + simulation)
        #expect(simulated.exitCode == 0, "\(simulated.errors)")
        return try program.run(["attribute", plan, folder["trace.json"]] + options)
    }

    private func document(_ simulation: [String]) throws -> Document {
        let outcome = try attribute(simulation, ["--json"])
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        return try JSONDecoder().decode(Document.self, from: Data(outcome.output.utf8))
    }

    /// A step that goes as predicted has nothing to explain: every part takes what it is priced.
    @Test func anUndisturbedStep() throws {
        let found = try document([])
        #expect(abs(found.measuredSeconds / found.expectedSeconds - 1) < 1e-6)
        for part in found.parts {
            #expect(abs(part.measuredSeconds - part.expectedSeconds) < 2e-3 * found.expectedSeconds, "\(part)")
        }
        #expect(
            found.findings.count == 1 && found.ranks.allSatisfy { abs($0.slowness - 1) < 0.01 }, "\(found.findings)")
    }

    @Test(arguments: [0, 1, 2, 3]) func theSlowRankIsNamed(rank: Int) throws {
        let found = try document(["--slow-rank", "\(rank)=1.3"])
        #expect(found.measuredSeconds > 1.05 * found.expectedSeconds)
        // The cause stands before its effects: the other ranks wait.
        #expect(
            found.findings.dropFirst().first?.hasPrefix("rank \(rank) of the pipeline takes 30 % longer for its passes")
                == true, "\(found.findings)")
        #expect(found.ranks.filter { $0.slowness > 1.05 }.map(\.stage) == [rank])
    }

    @Test func asText() throws {
        let outcome = try attribute(["--slow-rank", "2=1.3"], ["--width", "80"])
        #expect(outcome.exitCode == 0)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.first?.hasPrefix("the step took ") == true)
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(outcome.output)")
        #expect(lines.contains { $0.hasPrefix("  pipeline waiting and messages  ") })
        #expect(lines.contains("What the trace does not show"))
    }

    @Test func badInput() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(Self.plan, as: "plan.yaml")
        let cut = try folder.write("{\"traceEvents\": [\n{\"ph\": \"X\",", as: "cut.json")
        let program = try BuiltProgram("trainyard")
        for (arguments, message) in [
            ([plan, cut], "cut.json:2:12: is not JSON of trace events"),
            ([plan], "missing expected argument '<traces>"),
            ([plan, folder["none.json"]], "none.json: no such file"), ([plan, plan], "plan.yaml:1:1: is not JSON"),
        ] {
            let outcome = try program.run(["attribute"] + arguments)
            #expect(outcome.exitCode == 2 && outcome.output.isEmpty)
            #expect(outcome.errors.contains(message), "\(outcome.errors)")
        }
    }
}

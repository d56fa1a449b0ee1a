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
            var slowness, ownSeconds, costSeconds: Double
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

    /// What slow ranks cost is what the step takes longer, and no more, however long they compute: the rest is in place of waiting.
    @Test(arguments: [
        ["--slow-rank", "0=1.3"], ["--slow-rank", "1=1.2"], ["--slow-rank", "2=1.1"], ["--slow-rank", "3=1.5"],
        ["--slow-rank", "1=1.3", "--slow-rank", "2=1.2"],
        ["--slow-rank", "0=1.2", "--slow-rank", "3=1.3"],
    ]) func costsAddUpToWhatTheStepTakesLonger(_ slow: [String]) throws {
        let found = try document(slow)
        let longer = found.measuredSeconds - found.expectedSeconds
        let costs = found.ranks.map(\.costSeconds).reduce(0, +)
        #expect(longer > 0 && costs <= longer * (1 + 1e-9), "\(costs) of \(longer)")
        #expect(costs > 0.97 * longer, "\(costs) of \(longer)")
        let named = slow.filter { $0.contains("=") }.compactMap { $0.first?.wholeNumberValue }
        for rank in found.ranks {
            #expect((rank.costSeconds > 0) == named.contains(rank.stage))
            #expect(rank.costSeconds <= max(0, rank.ownSeconds))
        }
        // No sentence names more seconds than its rank costs but for its own time, which it tells apart.
        let sentences = found.findings.filter { $0.contains("longer for its passes") }
        #expect(sentences.count == named.count, "\(found.findings)")
        for (sentence, rank) in zip(sentences, found.ranks.filter { $0.costSeconds > 0 }) where named.count == 1 {
            let isApart = rank.ownSeconds - rank.costSeconds > 0.01 * found.measuredSeconds
            #expect(sentence.contains("in place of waiting") == isApart, "\(sentence)")
        }
    }

    /// A trace of another layout or batch says nothing of the plan's price.
    @Test func tracesOfOtherRunsAreRefused() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(Self.plan, as: "plan.yaml")
        let program = try BuiltProgram("trainyard")
        let trace = folder["trace.json"]
        #expect(try program.run(["simulate", plan, "--trace", trace]).exitCode == 0)
        for (from, to, said) in [
            ("batch: 64", "batch: 32", "trace.json: has 16 micro-batches, and a step of the plan has 8"),
            (
                "tensor: 2, pipeline: 4, data: 4", "tensor: 4, pipeline: 4, data: 2",
                "is of tensor 2 · pipeline 4 · data 4"
            ),
            (
                "pipeline: 4, data: 4", "pipeline: 4, data: 4, schedule: interleaved-1f1b, virtualStages: 2",
                "has 4 stages of a pipeline, and the plan's interleaved-1f1b has 8"
            ),
            ("pipeline: 4, data: 4", "pipeline: 2, data: 8", "has 4 ranks of a pipeline"),
        ] {
            let other = try folder.write(Self.plan.replacing(from, with: to), as: "other.yaml")
            let outcome = try program.run(["attribute", other, trace])
            #expect(outcome.exitCode == 2 && outcome.output.isEmpty)
            #expect(outcome.errors.contains(said), "\(outcome.errors)")
        }
        // Traces of earlier releases have no layout in them, and are counted.
        let bare = try folder.read("trace.json").split(separator: "\n").filter { !$0.contains("process_labels") }
        try folder.write(bare.joined(separator: "\n"), as: "bare.json")
        #expect(try program.run(["attribute", plan, folder["bare.json"]]).exitCode == 0)
        let fewer = try folder.write(Self.plan.replacing("batch: 64", with: "batch: 32"), as: "other.yaml")
        #expect(try program.run(["attribute", fewer, folder["bare.json"]]).exitCode == 2)
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

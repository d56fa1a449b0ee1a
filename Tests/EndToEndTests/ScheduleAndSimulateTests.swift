import Foundation
import Testing

/// `trainyard schedule` and `trainyard simulate` as a user runs them.
@Suite struct ScheduleAndSimulateTests {
    private func run(_ line: String) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(line.split(separator: " ").map(String.init))
    }

    /// A folder that goes when the test ends.
    private func withScratch(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "trainyard-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    @Test func scheduleAsJSON() throws {
        let outcome = try run("schedule 1f1b --ranks 2 --virtual-stages 1 --microbatches 2 --json")
        #expect(outcome.exitCode == 0)
        #expect(
            outcome.output == #"{"schedule":"1f1b","ranks":2,"virtualStages":1,"microbatches":2,"#
                + #""stageToRank":[0,1],"actions":[["0F0","0F1","0B0","0B1"],["1F0","1B0","1F1","1B1"]]}"# + "\n")
    }

    @Test(arguments: [
        ("schedule 1f1b --ranks 4 --virtual-stages 2 --microbatches 8", "1f1b runs one stage a rank"),
        ("schedule interleaved-1f1b --ranks 2 --virtual-stages 2 --microbatches 5", "do not divide by 2"),
        ("schedule gpipe --ranks 0 --microbatches 8", "needs at least 1 of ranks"),
        ("schedule pipedream", "there is no schedule \"pipedream\""),
        ("schedule gpipe --ranks many", "invalid for '--ranks"),
        ("simulate --forward 0", "--forward is 0.0; an action takes a finite time above 0"),
        ("simulate --backward-weight=-1", "--backward-weight is -1.0"),
        ("simulate --backward-input nan", "--backward-input is nan"),
        ("simulate --transfer inf", "--transfer is inf"),
        ("simulate --microbatches 100000000", "would hold more than"),
        ("simulate --svg no-such-folder/out.svg", "cannot write no-such-folder/out.svg: there is no folder"),
        ("simulate --trace Sources", "cannot write Sources: it is a directory"),
        ("simulate plans/no-such-plan.yaml", "no such file"),
        ("simulate plans/gpt3-175b-64-a100.yaml --transfer 1", "--transfer is for a pipeline without a plan"),
        ("simulate --width 7", "--width takes 20 to 1000 columns"),
    ])
    func badInputEndsWithTwoAndSaysWhy(_ line: String, _ message: String) throws {
        let outcome = try run(line)
        #expect(outcome.exitCode == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }

    @Test func simulateDrawsABarePipeline() throws {
        let outcome = try run("simulate --ranks 2 --microbatches 2 --schedule 1f1b --width 36")
        #expect(outcome.exitCode == 0)
        #expect(
            outcome.output.hasPrefix(
                """
                1f1b
                rank 0 │F0░F1░······B0▓▓▓▓···B1▓▓▓▓
                rank 1 │···F0░B0▓▓▓▓F1░B1▓▓▓▓······
                """))
    }

    @Test func simulateWritesTraceAndDrawingOfAPlan() throws {
        try withScratch { folder in
            let (trace, svg) = (folder.appending(path: "t.json"), folder.appending(path: "t.svg"))
            let outcome = try run(
                "simulate plans/gpt3-175b-64-a100.yaml --json --trace \(trace.path) --svg \(svg.path)")
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            let figures = try #require(
                try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
            #expect(figures["unit"] as? String == "seconds")
            #expect(figures["ranks"] as? Int == 8 && figures["virtualStages"] as? Int == 3)
            let duration = try #require(figures["duration"] as? Double)
            // The measured step took 13.75 s (Korthikanti et al. 2022, table 5).
            #expect(duration > 10 && duration < 18)
            let file = try JSONSerialization.jsonObject(with: Data(contentsOf: trace)) as? [String: Any]
            let events = try #require(file?["traceEvents"] as? [[String: Any]])
            let end = events.compactMap { event in
                (event["ts"] as? Double).map { $0 + (event["dur"] as? Double ?? 0) }
            }.max()
            #expect(abs((end ?? 0) / 1e6 - duration) < 1e-5)
            #expect(try String(contentsOf: svg, encoding: .utf8).hasSuffix("</svg>\n"))
        }
    }

    @Test func optionsTakeThePlaceOfThePlans() throws {
        let outcome = try run(
            "simulate plans/gpt3-175b-64-a100.yaml --schedule 1f1b --microbatches 16 --json")
        let figures = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        #expect(figures["schedule"] as? String == "1f1b")
        #expect(figures["microbatches"] as? Int == 16 && figures["virtualStages"] as? Int == 1)
    }

    @Test func simulateSearchesWhereTheLayoutIsAuto() throws {
        let outcome = try run("simulate plans/100b-3t-1024.yaml")
        #expect(outcome.exitCode == 0)
        #expect(outcome.output.contains("layouts that fit"))
        #expect(outcome.output.contains("rank 0 │"))
    }
}

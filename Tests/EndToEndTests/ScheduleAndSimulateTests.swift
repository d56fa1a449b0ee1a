import Foundation
import TestSupport
import Testing

/// `trainyard schedule` and `trainyard simulate` as a user runs them.
@Suite struct ScheduleAndSimulateTests {
    private func run(_ line: String) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(line.split(separator: " ").map(String.init))
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
        ("simulate --forward 0", "--forward is 0.0; an action takes a time above 0 and up to 1e15"),
        ("simulate --backward-weight=-1", "--backward-weight is -1.0"),
        ("simulate --backward-input nan", "--backward-input is nan"),
        ("simulate --transfer inf", "--transfer is inf"),
        ("simulate --microbatches 100000000", "would hold more than"),
        ("simulate --svg no-such-folder/out.svg", "cannot write no-such-folder/out.svg: there is no folder"),
        ("simulate --trace Sources", "cannot write Sources: it is a directory"),
        ("simulate plans/no-such-plan.yaml", "no such file"),
        ("simulate plans/gpt3-175b-64-a100.yaml --transfer 1", "--transfer is for a pipeline without a plan"),
        ("simulate --schedule 1f1b --compare gpipe", "give --schedule or --compare, not both"),
        ("simulate --compare 1f1b,pipedream", "there is no schedule \"pipedream\""),
        (
            "schedule gpipe --vocabulary-parallel vocab-1",
            "gpipe has no lists with vocab-1, which divides the vocabulary; 1f1b"
        ),
        ("schedule 1f1b --ranks 1 --vocabulary-parallel vocab-2", "vocab-2 needs at least 2 ranks"),
        ("schedule 1f1b --vocabulary-parallel vocab-3", "invalid for '--vocabulary-parallel"),
        ("simulate --schedule optimal --vocabulary-parallel vocab-1", "optimal finds no lists with S and T"),
        ("simulate --softmax 1", "--softmax is for a vocabulary that all ranks divide; add --vocabulary-parallel"),
        (
            "simulate --vocabulary-parallel vocab-1 --softmax 0",
            "--softmax is 0.0; it takes a time above 0 and up to 1e15"
        ),
        ("simulate --vocabulary-parallel vocab-1 --exchange=-1", "--exchange is -1.0; it takes a time from 0 to 1e15"),
        (
            "simulate plans/gpt3-175b-64-a100.yaml --vocabulary-parallel vocab-1",
            "--vocabulary-parallel is for a pipeline"
        ),
        ("simulate --compare zb-h1,1f1b --virtual-stages 2", "zb-h1: zb-h1 runs one stage a rank"),
        ("simulate --slow-rank 2", "it takes a rank and a factor such as 2=1.3"),
        ("simulate --slow-rank 2=0", "the factor must be above 0 and at most 1e6"),
        ("simulate --slow-rank 9=2", "there are the ranks 0 to 3"),
        ("simulate --jitter much", "it takes a share such as 5% or 0.05"),
        ("simulate --runs 3", "--runs is for random delays: give --jitter too"),
        ("simulate --jitter 5% --runs 0", "--runs takes 1 to 1,000,000, not 0"),
        ("simulate --forward 1,2", "--forward gives 2 times, the schedule has 4 stages"),
        ("simulate --fused-share 0", "--fused-share is 0.0"),
        ("simulate --optimizer=-1", "--optimizer is -1.0"),
        ("simulate --memory-limit 2", "--memory-limit is for --schedule optimal"),
        ("simulate --schedule optimal --memory-limit 0.2", "holds at most 0.2 activations a rank"),
        ("simulate --actions no-such-file.csv", "no-such-file.csv: no such file"),
        ("simulate --actions README.md --ranks 2", "--ranks is in the file of --actions"),
        ("simulate --transfer 1e308", "--transfer is 1e+308; a transfer takes a time from 0 to 1e15"),
        ("simulate --transfer 1e308 --json", "a transfer takes a time from 0 to 1e15"),
        ("simulate --forward 1e16 --svg /nowhere/t.svg", "--forward is 1e+16; an action takes a time above 0"),
        ("simulate --reduction inf", "--reduction is inf"),
        ("simulate --slow-rank 2=1e308", "the factor must be above 0 and at most 1e6"),
        (
            "simulate plans/gpt3-175b-64-a100.yaml --virtual-stages 9223372036854775807",
            "--virtual-stages takes 1 to 10,000, not 9,223,372,036,854,775,807"
        ),
        ("simulate plans/gpt3-175b-64-a100.yaml --schedule zbv --virtual-stages 1e18", "--virtual-stages takes 1 to"),
        ("simulate --schedule optimal --virtual-stages 9223372036854775807", "--virtual-stages takes 1 to 10,000"),
        ("simulate plans/gpt3-175b-64-a100.yaml --microbatches 1e9", "--microbatches takes 1 to 100,000,000"),
        ("simulate --width 7", "--width takes 20 to 1000 columns"),
    ])
    func badInputEndsWithTwoAndSaysWhy(_ line: String, _ message: String) throws {
        let outcome = try run(line)
        #expect(outcome.exitCode == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: "), "\(outcome.errors)")
    }

    /// The longest times there may be are drawn, too.
    @Test func longTimesAreDrawn() throws {
        for options in ["--transfer 1e15", "--forward 1e15 --slow-rank 1=1e6 --optimizer 1e15", "--forward 1e-300"] {
            let outcome = try run("simulate --ranks 2 " + options)
            #expect(outcome.exitCode == 0, "\(outcome.everything)")
            #expect(outcome.output.contains("makespan"))
        }
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
        let folder = try TemporaryFolder()
        let (trace, svg) = (folder["t.json"], folder["t.svg"])
        let outcome = try run(
            "simulate plans/gpt3-175b-64-a100.yaml --json --trace \(trace) --svg \(svg)")
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let figures = try outcome.document()
        #expect(figures["unit"] as? String == "seconds")
        #expect(figures["ranks"] as? Int == 8 && figures["virtualStages"] as? Int == 3)
        let duration = try #require(figures["duration"] as? Double)
        // The measured step took 13.75 s (Korthikanti et al. 2022, table 5).
        #expect(duration > 10 && duration < 18)
        let file = try JSONSerialization.jsonObject(with: Data(folder.read("t.json").utf8)) as? [String: Any]
        let events = try #require(file?["traceEvents"] as? [[String: Any]])
        let end = events.compactMap { event in
            (event["ts"] as? Double).map { $0 + (event["dur"] as? Double ?? 0) }
        }.max()
        #expect(abs((end ?? 0) / 1e6 - duration) < 1e-5)
        #expect(try folder.read("t.svg").hasSuffix("</svg>\n"))
    }

    @Test func optionsTakeThePlaceOfThePlans() throws {
        let outcome = try run(
            "simulate plans/gpt3-175b-64-a100.yaml --schedule 1f1b --microbatches 16 --json")
        let figures = try outcome.document()
        #expect(figures["schedule"] as? String == "1f1b")
        #expect(figures["microbatches"] as? Int == 16 && figures["virtualStages"] as? Int == 1)
    }

    /// A plan whose stages divide the vocabulary is priced, drawn and written as one.
    @Test func aDividedVocabularyIsSeenEverywhere() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(
            """
            model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 256000, sequence: 2048}
            cluster: h100-80g-sxm
            devices: 4
            batch: 6
            layout: {pipeline: 4, vocabularyParallel: vocab-2}

            """, as: "plan.yaml")
        let plan = try run("plan \(file) --write-plan \(folder["written.yaml"])")
        #expect(plan.exitCode == 0, "\(plan.errors)")
        #expect(plan.output.contains("1f1b vocab-2, recompute none"))
        #expect(plan.output.contains("S output layer: softmax"))
        #expect(plan.errors.contains("does not divide the vocabulary over stages (vocab-2); it is priced all the same"))
        #expect(try folder.read("written.yaml").contains("  vocabularyParallel: vocab-2\n"))
        let drawn = try run("simulate \(file) --width 200")
        #expect(drawn.output.contains("1f1b vocab-2 · tensor 1 · pipeline 4"))
        #expect(drawn.output.contains("peak activations 5 4 3 2 by rank"))
        let other = try run("simulate \(file) --schedule zb-h1")
        #expect(other.exitCode != 0 && other.errors.contains("zb-h1 has no lists with vocab-2"))
        let optimal = try run("simulate \(file) --schedule optimal")
        #expect(optimal.exitCode != 0 && optimal.errors.contains("a search finds no lists with S and T"))
        let found = try run("search \(file) --pipeline 4 --vocabulary-parallel vocab-1,vocab-2 --top 1")
        #expect(found.output.contains("1f1b vocab-"), "\(found.everything)")
    }

    @Test func simulateSearchesWhereTheLayoutIsAuto() throws {
        let outcome = try run("simulate plans/100b-3t-1024.yaml")
        #expect(outcome.exitCode == 0)
        #expect(outcome.output.contains("layouts that fit"))
        #expect(outcome.output.contains("rank 0 │"))
    }

    @Test func actionsFromAFileAreTimed() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("0F0,,0F1,0B0,0B1\n,1F0,1B0,1F1,1B1\n", as: "mine.csv")
        let outcome = try run("simulate --actions \(file) --json")
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output.contains(#""makespan":9,"#) && outcome.output.contains(#""schedule":"mine""#))
        try folder.write("0F0,0B0,0F1,0B1\n1F1,1F0,1B1,1B0\n", as: "mine.csv")
        let stuck = try run("simulate --actions \(file)")
        #expect(stuck.exitCode == 2 && stuck.output.isEmpty)
        #expect(stuck.errors.contains("deadlock: (rank 0, position 1, 0B0) waits for (rank 1, position 0, 1F1)"))
    }

    /// A mistake in a user's own lists is reported with its rank, position, action and rule.
    @Test(arguments: [
        ("0F0,0F1,0B0\n1F0,1B0,1F1,1B1\n", "rank 0, none of positions 0 to 2, 0B1: missing"),
        ("0F0,0F1,0B0,0B1\n1F0,1I0,1F1,1B1\n", "rank 1, none of positions 0 to 3, 1W0: missing"),
        ("0F0,0F1,0B0,0B1,0F1\n1F0,1B0,1F1,1B1\n", "rank 0, position 4, 0F1: done twice"),
        ("0F0,0F1,0B0,0B1,1B1\n1F0,1B0,1F1,1B1\n", "rank 0, position 4, 1B1: this stage lives on rank 1"),
        ("0F0,0B1,0F1,0B0\n1F0,1B0,1F1,1B1\n", "rank 0, position 1, 0B1: comes before 0F1"),
        ("0F0,0F1,0B0,0X1\n1F0,1B0,1F1,1B1\n", "rank 0, position 3: \"0X1\" is no action"),
        (
            "0F0,0F1,0B0,0B1\n1F1,1F0,1B0,1B1\n",
            "rank 1, position 0, 1F1: takes the tensor of (rank 0, position 1, 0F1) before that of (rank 0, position 0, 0F0)"
        ),
        (
            "0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n",
            "deadlock: (rank 0, position 1, 0B0) waits for (rank 1, position 1, 1F1) waits for (rank 0, position 1, 0B0)"
        ),
    ])
    func brokenListsAreNamed(_ lists: String, _ message: String) throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(lists, as: "broken.csv")
        let outcome = try run("simulate --actions \(file)")
        #expect(outcome.exitCode == 2 && outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("error: \(file): \(message)"), "\(outcome.errors)")
    }

    /// Names of other tools are read, ours are printed.
    @Test func otherNamesAreUnderstood() throws {
        let outcome = try run("schedule ZBVZeroBubble --ranks 2 --virtual-stages 2 --microbatches 4 --json")
        #expect(outcome.output == (try run("schedule zbv --ranks 2 --virtual-stages 2 --microbatches 4 --json")).output)
        #expect(outcome.output.hasPrefix(#"{"schedule":"zbv","#))
        #expect(
            try run("schedule DualPipeV --ranks 2 --microbatches 4").output.hasPrefix("dualpipev: 2 ranks, 2 stages"))
        #expect(try run("simulate --compare 1F1B,ZB1P --ranks 2").output.contains("\nzb-h1  "))
        let folder = try TemporaryFolder()
        let shipped = try String(
            contentsOf: BuiltProgram.root.appending(path: "plans/gpt3-175b-64-a100.yaml"), encoding: .utf8)
        func plan(_ schedule: String) throws -> String {
            try folder.write(
                shipped.replacingOccurrences(of: "interleaved-1f1b", with: schedule), as: "named.yaml")
        }
        let answer = try run("plan \(plan("Interleaved1F1B")) --json")
        #expect(answer.output.contains("\"interleaved-1f1b\""), "\(answer.errors)")
        let refused = try run("plan \(plan("optimal"))")
        #expect(refused.exitCode == 2)
        #expect(refused.errors.contains("simulate FILE --schedule optimal"), "\(refused.errors)")
    }

    /// DualPipe, which holds each stage on two ranks, would be the fastest here, and PyTorch's runtime cannot say it.
    @Test func optimalListsAreWritten() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(
            """
            model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048}
            cluster: h100-80g-sxm
            devices: 4
            batch: 6
            layout: {pipeline: 4, microbatch: 1}
            """, as: "plan.yaml")
        let lists = folder["optimal.csv"]
        let outcome = try run("simulate \(plan) --schedule optimal --write-actions \(lists)")
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(try folder.read("optimal.csv").split(separator: "\n").count == 4)
        let read = try run("simulate --actions \(lists)")
        #expect(read.exitCode == 0, "\(read.errors)")
    }

    @Test func optimalKeepsToThePlansMemory() throws {
        let outcome = try run("simulate plans/gpt3-175b-64-a100.yaml --compare 1f1b,zbv,optimal --json")
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let rows = try #require(try outcome.document()["comparison"] as? [[String: Any]])
        #expect(rows.compactMap { $0["schedule"] as? String } == ["1f1b", "zbv", "optimal"])
        let steps = rows.compactMap { $0["duration"] as? Double }
        #expect(steps.count == 3 && steps[2] <= (steps.prefix(2).min() ?? 0))
        // 95 % of the device's 80 GiB.
        #expect(rows.allSatisfy { ($0["peakMemory"] as? Double ?? .infinity) <= 76 * 1_073_741_824 })
        #expect(
            try run("simulate plans/gpt3-175b-64-a100.yaml --schedule optimal").output.contains("\noptimal · tensor 8"))
        let limited = try run("simulate plans/gpt3-175b-64-a100.yaml --schedule optimal --memory-limit 3")
        #expect(limited.exitCode == 2)
        #expect(limited.errors.contains("a plan's limit is its devices' memory"))
    }

    @Test func comparedSchedulesShareAnAxisAndATable() throws {
        let outcome = try run("simulate --compare 1f1b,zb-h1,zbv,dualpipev,optimal --ranks 4 --microbatches 6")
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        for row in ["1f1b", "zb-h1", "zbv", "optimal"] { #expect(outcome.output.contains("\n\(row)  ")) }
        #expect(outcome.output.contains("dualpipev is left out: "))
        #expect(outcome.output.components(separatedBy: "rank 0 │").count == 5)
        let planned = try run("simulate plans/gpt3-175b-64-a100.yaml --compare 1f1b,zbv --json")
        let rows = try #require(try planned.document()["comparison"] as? [[String: Any]])
        #expect(rows.compactMap { $0["schedule"] as? String } == ["1f1b", "zbv"])
        #expect(rows.allSatisfy { ($0["peakMemory"] as? Double ?? 0) > 1e9 })
    }

    @Test func randomDelaysAreRepeatable() throws {
        let line = "simulate --ranks 4 --microbatches 8 --jitter 5% --runs 50 --seed 3 --slow-rank 2=1.3"
        let first = try run(line)
        #expect(first.exitCode == 0, "\(first.errors)")
        #expect(first.output.contains("step over 50 runs: min "))
        #expect(try run(line).output == first.output)
        #expect(try run(line.replacingOccurrences(of: "seed 3", with: "seed 4")).output != first.output)
    }

    @Test func autoChoosesAScheduleForALayout() throws {
        let folder = try TemporaryFolder()
        let shipped = try String(
            contentsOf: BuiltProgram.root.appending(path: "plans/gpt3-175b-64-a100.yaml"), encoding: .utf8)
        let text = shipped.replacingOccurrences(of: "schedule: interleaved-1f1b", with: "schedule: auto")
            .replacingOccurrences(of: "  virtualStages: 3\n", with: "")
        let file = try folder.write(text, as: "auto.yaml")
        let outcome = try run("plan \(file)")
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("fastest of "))
        let chosen = try #require(outcome.output.firstMatch(of: #/schedule: ([a-z0-9-]+)/#)).1
        #expect(try run("simulate \(file)").output.contains("\n\(chosen) · tensor 8"))
    }
}

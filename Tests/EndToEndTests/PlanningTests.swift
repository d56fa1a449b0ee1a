import Foundation
import TestSupport
import Testing

/// The planning half of the command line, driven as a user drives it.
@Suite struct PlanningTests {
    func trainyard(_ arguments: [String]) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(arguments)
    }

    static let question = ["estimate", "--params", "100B", "--tokens", "3T", "--gpu", "a100-80g-sxm", "--gpus", "1024"]

    @Test func theOpeningQuestionIsAnswered() throws {
        let outcome = try trainyard(Self.question)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        for part in ["GPU-months", "GPU-hours", "dollars", "MFU", "Where the time goes", "Memory on each device"] {
            #expect(outcome.output.contains(part), "\(part)")
        }
        #expect(outcome.errors.contains("note: no batch is given, so 1536 sequences a step are taken"))
    }

    @Test func jsonIsExactlyOneDocument() throws {
        for arguments in [
            Self.question + ["--json"], ["plan", "plans/100b-3t-1024.yaml", "--json", "--explain"],
            ["search", "plans/100b-3t-1024.yaml", "--top", "3", "--json"],
        ] {
            let outcome = try trainyard(arguments)
            #expect(outcome.exitCode == 0, "\(outcome.everything)")
            #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) }
        }
    }

    /// Runs of this size take four to six months in practice.
    @Test func theOpeningQuestionLandsWherePracticeDoes() throws {
        let outcome = try trainyard(Self.question + ["--json"])
        let document = try outcome.document()
        let days = try #require((document["run"] as? [String: Any])?["days"] as? Double)
        #expect((115...185).contains(days))
    }

    @Test func theBreakdownSumsToTheStep() throws {
        let outcome = try trainyard(["plan", "plans/gpt3-175b-64-a100.yaml", "--json"])
        let document = try outcome.document()
        let iteration = try #require(document["iteration"] as? [String: Any])
        let parts = try #require(iteration["breakdown"] as? [String: Double])
        let seconds = try #require(iteration["seconds"] as? Double)
        #expect(abs(parts.values.reduce(0, +) - seconds) < 1e-9 * seconds)
    }

    /// `plan --search` shows the plan's own layout as `search` does, and all commands call the same share bubble.
    @Test(arguments: ["plans/gpt3-175b-64-a100.yaml", "plans/llama3-405b-16384-h100.yaml"])
    func theOwnLayoutStandsBesideTheBest(file: String) throws {
        func own(_ document: [String: Any]) throws -> [String: Any] {
            try #require(document["yours"] as? [String: Any])
        }
        let planned = try own(try trainyard(["plan", file, "--search", "--json"]).document())
        let searched = try own(try trainyard(["search", file, "--json"]).document())
        #expect(planned["verdict"] as? String == searched["verdict"] as? String)
        #expect(planned["fits"] as? Bool == true)
        func bubble(_ estimate: Any?) -> Double? {
            ((estimate as? [String: Any])?["iteration"] as? [String: Any])?["bubbleFraction"] as? Double
        }
        let alone = try trainyard(["plan", file, "--json"]).document()
        let share = try #require(bubble(alone))
        #expect(share == bubble(planned["estimate"]) && share == bubble(searched["estimate"]))
        let simulated = try trainyard(["simulate", file, "--json"]).document()
        let figures = try #require(
            simulated["bubbleFraction"] as? Double ?? (simulated["timeline"] as? [String: Any])?["bubbleFraction"]
                as? Double)
        #expect(abs(figures - share) < 1e-6)
        let text = try trainyard(["plan", file, "--search"]).output
        let verdict = try #require(planned["verdict"] as? String)
        #expect(text.contains(" yours: ") && text.contains("; \(verdict.prefix(20))"), "\(text)")
        let priced = try trainyard(["plan", file]).output
        #expect(!priced.contains("yours: "))
        #expect(
            priced.contains(", bubble ") && priced.contains("  pipeline wait ") && !priced.contains("pipeline bubble"))
    }

    @Test func searchRanksFromFastToSlow() throws {
        let outcome = try trainyard(["search", "plans/100b-3t-1024.yaml", "--top", "5", "--json"])
        let document = try outcome.document()
        let candidates = try #require(document["candidates"] as? [[String: Any]])
        let times = candidates.compactMap { ($0["iteration"] as? [String: Any])?["seconds"] as? Double }
        #expect(times.count == 5)
        #expect(times == times.sorted())
        #expect((document["evaluated"] as? Int ?? 0) >= (document["feasible"] as? Int ?? .max))
    }

    @Test func explainShowsFormulasAndSources() throws {
        let outcome = try trainyard(["plan", "plans/gpt3-175b-1024-a100.yaml", "--explain"])
        #expect(outcome.output.contains("How the figures come about"))
        #expect(outcome.output.contains("after Narayanan et al. 2021"))
    }

    @Test(arguments: [
        (["plan", "nowhere.yaml"], 2, "error: nowhere.yaml: no such file"),
        (["plan"], 2, "error: missing expected argument '<file>'; see 'trainyard plan --help'"),
        (["plan", "plans"], 2, "is a directory"), (["plna"], 2, "there is no command 'plna'; did you mean 'plan'?"),
        (
            ["plan", "plans/gpt3-175b-64-a100.yaml", "--devices", "100"], 3,
            "layout: --devices, 100, must be a multiple of tensor 8 · pipeline 8 = 64; use 64 or 128, or change a degree"
        ),
        (["plan", "plans/gpt3-175b-64-a100.yaml", "--devices", "0"], 2, "must be a whole number from 1"),
        (["search", "plans/100b-3t-1024.yaml", "--top", "0"], 2, "--top takes 1 to 10,000"),
        (["plan", "plans/100b-3t-1024.yaml", "--devices", "1.5"], 2, "'1.5' is invalid for '--devices <devices>'"),
        (
            ["plan", "--dvices", "8"], 2,
            "unknown option '--dvices'; did you mean '--devices'? See 'trainyard plan --help'"
        ),
        (["search", "plans/100b-3t-1024.yaml", "--devices", "8"], 3, "nothing fits on 8 × NVIDIA"),
        (["search", "plans/100b-3t-1024.yaml", "--devices", "8"], 3, "layouts (tensor 8, pipeline 1, data 1"),
        (["estimate", "--tokens", "3T", "--gpu", "a100-80g-sxm", "--gpus", "8"], 2, "error: give --params or --model"),
        (
            ["estimate", "--params", "100B", "--tokens", "nan", "--gpu", "a100-80g-sxm", "--gpus", "8"], 2,
            "'nan' is invalid for '--tokens"
        ),
        (
            ["estimate", "--params", "100B", "--tokens", "3T", "--gpu", "a100-80g-smx", "--gpus", "8"], 2,
            "--gpu: no cluster of that name in cluster/ (found 'a100-80g-smx'); did you mean 'a100-80g-sxm'?"
        ),
    ])
    func badInputEndsWithItsCodeAndOneClearLine(_ arguments: [String], _ code: Int32, _ said: String) throws {
        let outcome = try trainyard(arguments)
        #expect(outcome.exitCode == code, "\(outcome.everything)")
        #expect(outcome.errors.contains(said), "\(outcome.everything)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("error: ") && outcome.errors.split(separator: "\n").count == 1)
    }

    /// The command line counts as files do.
    @Test(arguments: ["1024", "1_024", "1,024", "1.024K", "1.024e3"])
    func countsAreReadAsInFiles(_ count: String) throws {
        let outcome = try trainyard(["plan", "plans/gpt3-175b-1024-a100.yaml", "--devices", count])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.output.contains("on 1,024 × "))
    }

    @Test func aPlanThatDoesNotFitIsStillPriced() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(
            "model: gpt3-175b\ncluster: a100-80g-sxm\nbatch: 8\nlayout: {tensor: 8}\n", as: "big.yaml")
        let outcome = try trainyard(["plan", file])
        #expect(outcome.exitCode == 3, "\(outcome.everything)")
        #expect(outcome.output.contains("does not fit"))
        #expect(outcome.errors.contains("--search"))
    }

    @Test func helpTeachesByExample() throws {
        for command in ["plan", "estimate", "search"] {
            let outcome = try trainyard([command, "--help"])
            #expect(outcome.exitCode == 0)
            #expect(outcome.output.contains("  trainyard \(command) "))
        }
    }

    @Test(arguments: ["trainyard", "trainyard-train"])
    func theVersionNamesTheCommit(program: String) throws {
        let version = try BuiltProgram(program).run(["--version"])
        #expect(version.exitCode == 0)
        #expect(version.output.first?.isNumber == true)
        let git = URL(filePath: "/usr/bin/git")
        guard FileManager.default.isExecutableFile(atPath: git.path) else { return }
        let head = try BuiltProgram.run(git, ["rev-parse", "--short=10", "HEAD"], in: BuiltProgram.root)
        guard head.exitCode == 0 else { return }
        let commit = head.output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(
            version.output.contains("(\(commit)") || version.output.contains("(\(commit), modified)"),
            "\(version.output)")
    }
}

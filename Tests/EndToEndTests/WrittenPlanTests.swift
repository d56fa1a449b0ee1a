import Foundation
import TestSupport
import Testing

/// What commands print and write besides the answer: plan files, notes, tables that fit, help.
@Suite struct WrittenPlanTests {
    private func trainyard(_ arguments: [String], columns: Int? = nil) throws -> BuiltProgram.Outcome {
        let program = try BuiltProgram("trainyard")
        guard let columns else { return try program.run(arguments) }
        return try BuiltProgram.run(
            URL(filePath: "/usr/bin/env"), ["COLUMNS=\(columns)", program.url.path] + arguments, in: BuiltProgram.root)
    }

    /// The answer without what depends on how it was asked for.
    /// - Parameter isOneOfMany: whether it is a row of a table, which has no prices on other software beside it.
    private func answer(_ document: [String: Any], isOneOfMany: Bool = false) -> NSDictionary {
        var answer = document
        for key in ["notes", "plan", "searched", "yours"] { answer[key] = nil }
        if isOneOfMany {
            answer["framework"] = nil
            if var run = answer["run"] as? [String: Any] {
                run["band"] = nil
                answer["run"] = run
            }
        }
        return answer as NSDictionary
    }

    private static let plan = "plans/100b-3t-1024.yaml"

    @Test(arguments: [
        ["plan", plan], ["plan", plan, "--price", "2.5"], ["plan", "plans/gpt3-175b-64-a100.yaml", "--search"],
        ["plan", "plans/deepseek-v3-2048-h800.yaml"],
        [
            "estimate", "--params", "7B", "--tokens", "1T", "--gpu", "h100-80g-sxm", "--gpus", "64", "--sequence",
            "16384",
        ],
    ])
    func theWrittenPlanGivesTheSameAnswer(_ arguments: [String]) throws {
        let folder = try TemporaryFolder()
        let file = folder["written.yaml"]
        let first = try trainyard(arguments + ["--write-plan", file, "--json"]).document()
        let again = try trainyard(["plan", file, "--json"]).document()
        #expect(answer(first) == answer(again))
    }

    @Test func aRowOfASearchIsWritten() throws {
        let folder = try TemporaryFolder()
        let file = folder["row.yaml"]
        let found = try trainyard(
            ["search", Self.plan, "--top", "5", "--write-plan", file, "--row", "3", "--json"]
        ).document()
        let candidates = try #require(found["candidates"] as? [[String: Any]])
        let again = answer(try trainyard(["plan", file, "--json"]).document(), isOneOfMany: true)
        #expect(answer(candidates[2], isOneOfMany: true) == again)
        let missing = try trainyard(["search", Self.plan, "--top", "5", "--write-plan", file, "--row", "6"])
        #expect(missing.exitCode == 2 && missing.errors.contains("--row takes 1 to 5, not 6"))
        let alone = try trainyard(["search", Self.plan, "--row", "2"])
        #expect(alone.exitCode == 2 && alone.errors.contains("--row is for --write-plan"))
    }

    /// `plan --json`'s layout, pasted as it is.
    @Test(arguments: [plan, "plans/deepseek-v3-2048-h800.yaml"]) func theLayoutOfAnAnswerIsALayout(_ plan: String)
        throws
    {
        let folder = try TemporaryFolder()
        let first = try trainyard(["plan", plan, "--write-plan", folder["written.yaml"], "--json"]).document()
        let layout = try #require(first["layout"])
        let json = String(
            decoding: try JSONSerialization.data(withJSONObject: layout, options: [.prettyPrinted]), as: UTF8.self)
        let head = try folder.read("written.yaml").components(separatedBy: "\nlayout:\n")[0]
        let file = try folder.write(
            head + "\nlayout: \(json.replacing("\n", with: "\n  "))\n", as: "pasted.yaml")
        let again = try trainyard(["plan", file, "--json"]).document()
        #expect((again["layout"] as? NSDictionary) == (layout as? NSDictionary))
        let seconds = { (found: [String: Any]) in (found["iteration"] as? [String: Any])?["seconds"] as? Double }
        #expect(seconds(again) == seconds(first))
    }

    @Test func aPriceIsTakenByEveryCommandThatPrices() throws {
        let question = ["--params", "7B", "--tokens", "1T", "--gpu", "a100-80g-sxm", "--gpus", "64"]
        let estimate = try trainyard(["estimate"] + question + ["--price", "1", "--json"]).document()
        let run = try #require(estimate["run"] as? [String: Any])
        #expect(run["cost"] as? Double == run["gpuHours"] as? Double)
        for arguments in [
            ["search", Self.plan, "--top", "1"], ["compare", Self.plan, "--strategies", "3d"],
            ["sweep", Self.plan, "--devices", "1024"], ["sweep", Self.plan, "--clusters", "a100-80g-sxm"],
        ] {
            let text = try trainyard(arguments + ["--price", "1", "--json"]).output
            let costs = text.matches(of: #/"cost" : ([0-9.e+]+)/#).compactMap { Double($0.1) }
            let hours = text.matches(of: #/"gpuHours" : ([0-9.e+]+)/#).compactMap { Double($0.1) }
            #expect(!costs.isEmpty && costs == hours, "\(arguments)")
        }
        let bad = try trainyard(["plan", Self.plan, "--price", "cheap"])
        #expect(bad.exitCode == 2 && bad.errors.contains("--price: 'cheap' is not a number of dollars"))
    }

    @Test func notesStandInEveryDocument() throws {
        let folder = try TemporaryFolder()
        let text = "model: {params: 20M}\ntokens: 1B\ncluster: laptop\ndevices: 2\nprecision: fp32\nlayout: auto\n"
        let file = try folder.write(text, as: "small.yaml")
        for arguments in [
            ["plan", file], ["search", file, "--top", "1"], ["compare", file, "--strategies", "data"],
            ["sweep", file, "--devices", "1,2"], ["simulate", file], ["sweep", file, "--deadline", "9000d"],
            ["simulate", file, "--compare", "1f1b"],
        ] {
            let outcome = try trainyard(arguments + ["--json"])
            let notes = try #require(try outcome.document()["notes"] as? [[String: String]], "\(arguments)")
            #expect(notes.contains { $0["code"] == "batch-assumed" }, "\(arguments): \(notes)")
            for note in notes { #expect(outcome.errors.contains("note: \(note["text"] ?? "?")"), "\(arguments)") }
        }
    }

    /// On 58 devices fewer train, with a batch that they divide: people are told of that batch, once.
    @Test func aBatchThatMovesIsRemarkedOnOnce() throws {
        let scratch = try TemporaryFolder()
        let folder = scratch.url
        let file = folder.appending(path: "odd.yaml").path
        let text = "model: {params: 7B}\ntokens: 1T\ncluster: h100-80g-sxm\ndevices: 58\nlayout: auto\n"
        try Data(text.utf8).write(to: URL(filePath: file))
        let question = ["--params", "7B", "--tokens", "1T", "--gpu", "h100-80g-sxm", "--gpus", "58"]
        for arguments in [
            ["estimate"] + question, ["plan", file], ["search", file], ["search", file, "--objective", "cost"],
            ["simulate", file], ["simulate", file, "--microbatches", "4"], ["sweep", file, "--devices", "50,58"],
            ["sweep", file, "--deadline", "90d"], ["compare", file, "--strategies", "3d,data"],
            ["compare", file, "--strategies", "3d", "--clusters", "h100-80g-sxm,a100-80g-sxm"],
        ] {
            let outcome = try trainyard(arguments + ["--json"])
            let document = try outcome.document()
            let notes = try #require(document["notes"] as? [[String: String]], "\(arguments)")
            let ofBatch = notes.filter { $0["code"] == "batch-assumed" }.compactMap { $0["text"] }
            #expect(ofBatch.count == (arguments.contains("--microbatches") ? 0 : 1), "\(arguments): \(ofBatch)")
            let said = outcome.errors.split(separator: "\n").filter { $0.contains("no batch is given") }
            #expect(said.map { $0.dropFirst("note: ".count) } == ofBatch.map { $0[...] }, "\(arguments)")
            guard let layout = document["layout"] as? [String: Any], let batch = layout["globalBatch"] as? Int
            else {
                continue
            }
            #expect(ofBatch.allSatisfy { $0.contains("so \(batch) sequences") }, "\(arguments): \(ofBatch)")
        }
    }

    /// Tables keep to the terminal, say what is missing and show it all where nobody looks.
    @Test(arguments: [
        ["search", plan, "--top", "5", "--pareto"], ["compare", plan], ["sweep", plan, "--devices", "512,1024"],
        ["compare", "plans/deepseek-v3-2048-h800.yaml", "--strategies", "expert,3d,zero"],
    ])
    func tablesFitTheTerminal(_ arguments: [String]) throws {
        let narrow = try trainyard(arguments, columns: 80).output
        for line in narrow.split(separator: "\n") where !line.contains("scaling: ") && !line.contains("critical batch")
        {
            #expect(line.count <= 80, "\(line)")
        }
        #expect(narrow.contains("not shown in 80 columns: ") && narrow.contains("--width"))
        let whole = try trainyard(arguments)
        #expect(!whole.output.contains("not shown"))
        #expect(
            try trainyard(arguments + ["--width", "1000"], columns: 80).output.contains("layout")
                == whole.output.contains("layout"))
        #expect(!whole.output.contains("\u{1B}"))
    }

    /// The examples of every help, whole at any width.
    @Test(arguments: [
        [], ["plan"], ["estimate"], ["search"], ["compare"], ["sweep"], ["simulate"], ["train"], ["calibrate"],
        ["validate"], ["generate"], ["export-weights"], ["gpus"], ["frameworks"], ["tokenize"],
        ["tokenize", "prepare"],
    ])
    func examplesAreNotFolded(_ command: [String]) throws {
        func examples(_ columns: Int) throws -> [String] {
            let outcome = try trainyard(command + ["--help"], columns: columns)
            #expect(outcome.exitCode == 0)
            let joined = outcome.output.replacing(#/ \\\n +/#, with: " ")
            return joined.split(separator: "\n").filter { $0.hasPrefix("  trainyard ") }.map(String.init)
        }
        let whole = try examples(400)
        #expect(!whole.isEmpty)
        for columns in [40, 80, 100] { #expect(try examples(columns) == whole) }
        let lines = try trainyard(command + ["--help"], columns: 80).output.split(separator: "\n")
        #expect(lines.allSatisfy { !$0.hasPrefix("  trainyard ") || $0.count <= 80 })
    }

    @Test(arguments: [
        (["sweep", plan, "--deadline", "90"], "--deadline: '90' has no unit; write 90d for days"),
        (["sweep", plan, "--devices", "1,024,2,048"], "--devices: commas stand between the values"),
        (["search", plan, "--tp", "8"], "unknown option '--tp'; did you mean '--tensor'?"),
        (["search", plan, "--sharding", "zero3"], "did you mean 'parameters'?"),
        (["compare", plan, "--strategies", "zero3"], "--strategies: there is no 'zero3'; did you mean 'zero-3'?"),
        (
            ["estimate", "--params", "7B", "--tokens", "1T", "--gpu", "H1O0", "--gpus", "8"],
            "did you mean 'h100-80g-sxm'?"
        ),
    ])
    func slipsAreNamed(_ arguments: [String], _ said: String) throws {
        let outcome = try trainyard(arguments)
        #expect(outcome.exitCode == 2, "\(outcome.everything)")
        #expect(outcome.errors.contains(said), "\(outcome.everything)")
    }

    @Test func countsAreReadAlikeEverywhere() throws {
        let question = ["estimate", "--gpu", "a100-80g-sxm", "--json"]
        let plain = try trainyard(
            question + ["--params", "7000000000", "--tokens", "1000000000000", "--gpus", "64", "--batch", "1024"])
        let grouped = try trainyard(
            question + [
                "--params", "7,000,000,000", "--tokens", "1,000,000,000,000", "--gpus", "64", "--batch", "1,024",
            ])
        #expect(plain.exitCode == 0 && plain.output == grouped.output, "\(grouped.errors)")
        let range = try trainyard(["sweep", Self.plan, "--devices", "1,024..2,048", "--json"]).document()
        let points = try #require((range["sweeps"] as? [[String: Any]])?.first?["points"] as? [[String: Any]])
        #expect(points.compactMap { $0["value"] as? Double } == [1024, 2048])
        let one = try trainyard(["sweep", Self.plan, "--devices", "1,024", "--json"]).document()
        let alone = try #require((one["sweeps"] as? [[String: Any]])?.first?["points"] as? [[String: Any]])
        #expect(alone.compactMap { $0["value"] as? Double } == [1024])
    }

    /// Tokens a second of other devices say nothing about how well work scales.
    @Test func efficiencyIsOfOneKindOfDevice() throws {
        let found = try trainyard(["sweep", Self.plan, "--clusters", "a100-80g-sxm,h100-80g-sxm", "--json"]).document()
        let points = try #require((found["sweeps"] as? [[String: Any]])?.first?["points"] as? [[String: Any]])
        #expect(points[0]["efficiency"] as? Double == 1 && points[1]["efficiency"] == nil)
    }

    /// Four processes on two cores do at most the work of two.
    @Test func processesBeyondTheCoresShareThem() throws {
        let folder = try TemporaryFolder()
        let text = """
            model: {family: gpt, layers: 8, hidden: 512, heads: 8, vocab: 256, sequence: 256}
            tokens: 10M
            cluster: {extends: laptop, devicesPerNode: 2}
            devices: 2
            batch: 32
            precision: fp32
            layout: auto

            """
        let file = try folder.write(text, as: "small.yaml")
        let found = try trainyard(["sweep", file, "--devices", "1,2,4", "--json"]).document()
        let points = try #require((found["sweeps"] as? [[String: Any]])?.first?["points"] as? [[String: Any]])
        let efficiencies = points.compactMap { $0["efficiency"] as? Double }
        #expect(efficiencies.count == 3 && efficiencies[1] > 0.8 && efficiencies[2] <= 0.5, "\(efficiencies)")
        // A layout that is stated runs all the same, each process on its share of a core.
        func fixed(_ data: Int) throws -> [String: Any] {
            let stated = text.replacing("devices: 2\n", with: "").replacing("auto", with: "{data: \(data)}")
            try folder.write(stated, as: "small.yaml")
            return try trainyard(["plan", file, "--json"]).document()
        }
        let seconds = try [2, 4].map { data -> Double in
            try #require((try fixed(data)["iteration"] as? [String: Any])?["seconds"] as? Double)
        }
        #expect(seconds[1] >= 0.99 * seconds[0], "\(seconds)")
        let notes = try #require(try fixed(4)["notes"] as? [[String: String]])
        #expect(
            notes.contains { $0["code"] == "cores-shared" && $0["text"]?.hasPrefix("4 processes share") == true })
    }
}

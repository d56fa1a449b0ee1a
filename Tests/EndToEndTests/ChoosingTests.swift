import Foundation
import TestSupport
import Testing

/// `search`, `compare` and `sweep`, driven as a user drives them.
@Suite struct ChoosingTests {
    func trainyard(_ arguments: [String]) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(arguments)
    }

    private func document(_ arguments: [String]) throws -> [String: Any] {
        try trainyard(arguments + ["--json"]).document()
    }

    private static let plan = "plans/100b-3t-1024.yaml"

    @Test func constraintsHoldInWhatIsPrinted() throws {
        let found = try document(
            [
                "search", Self.plan, "--tensor", "8", "--schedules", "Interleaved1F1B", "--sharding", "optimizer",
                "--top", "3",
            ])
        let candidates = try #require(found["candidates"] as? [[String: Any]])
        #expect(candidates.count == 3)
        for candidate in candidates {
            let layout = try #require(candidate["layout"] as? [String: Any])
            #expect(layout["tensor"] as? Int == 8)
            #expect(layout["schedule"] as? String == "interleaved-1f1b")
            #expect(layout["sharding"] as? String == "optimizer")
        }
    }

    @Test func threadsDoNotChangeTheAnswer() throws {
        func answer(_ threads: String) throws -> NSDictionary {
            var found = try document(
                ["search", "plans/deepseek-v3-2048-h800.yaml", "--top", "3", "--pareto", "--threads", threads])
            found["seconds"] = nil
            return found as NSDictionary
        }
        #expect(try answer("1") == answer("5"))
    }

    @Test func fewestDevicesAndLeastCost() throws {
        let fewest = try trainyard(["search", Self.plan, "--objective", "devices", "--top", "1"])
        #expect(fewest.exitCode == 0, "\(fewest.everything)")
        let found = try document(["search", Self.plan, "--objective", "cost", "--top", "5"])
        let costs = try #require(found["candidates"] as? [[String: Any]]).compactMap {
            ($0["run"] as? [String: Any])?["cost"] as? Double
        }
        #expect(costs.count == 5 && costs == costs.sorted())
    }

    /// Assumptions about the software stand in the answer: constants that few runs fix, or prices on other software.
    @Test func assumptionsOnTheSoftwareAreSaid() throws {
        let folder = try TemporaryFolder()
        func plan(_ framework: String) throws -> (text: String, document: [String: Any]) {
            let file = try folder.write(
                """
                model: llama3-8b
                tokens: 1T
                cluster: h100-80g-sxm
                devices: 64
                batch: 128
                \(framework)
                layout: {sharding: parameters}

                """, as: "plan.yaml")
            return (try trainyard(["plan", file]).output, try document(["plan", file]))
        }
        let few = try plan("framework: nanotron")
        #expect(few.text.contains("assumed, since fewer than two publications fix them: elementwise, "))
        let software = try #require(few.document["framework"] as? [String: Any])
        #expect((software["assumedConstants"] as? [String])?.contains("hostStep") == true && software["others"] == nil)
        let open = try plan("")
        let others = try #require((open.document["framework"] as? [String: Any])?["others"] as? [[String: Any]])
        #expect(others.contains { $0["name"] as? String == "megatron-core" } && others.count > 2)
        #expect(open.text.contains("a generation of 2023-03; ") && open.text.contains(" a step, and "))
        let own = try #require((open.document["iteration"] as? [String: Any])?["seconds"] as? Double)
        let run = try #require(open.document["run"] as? [String: Any])
        let (days, band) = (try #require(run["days"] as? Double), try #require(run["band"] as? [String: Any]))
        let (low, high) = (try #require(band["lowDays"] as? Double), try #require(band["highDays"] as? Double))
        for other in others {
            let ratio = try #require(other["seconds"] as? Double) / own
            #expect(ratio >= low / days - 1e-9 && ratio <= high / days + 1e-9, "\(other)")
        }
        let stated = try plan("framework: torchtitan").document["framework"] as? [String: Any]
        #expect(stated?["assumedConstants"] == nil && stated?["others"] == nil)
    }

    /// Every document says that measured steps shift its days, or that they do not apply.
    @Test func measuredStepsAreSaidInEveryDocument() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(
            """
            model: llama3-8b
            tokens: 1T
            cluster: h100-80g-sxm
            devices: 64
            batch: 128
            framework: nemo
            layout: {tensor: 2, sharding: optimizer}
            measured: {seconds: 3}

            """, as: "plan.yaml")
        func codes(_ arguments: [String]) throws -> [String] {
            let outcome = try trainyard(arguments + ["--json"])
            let notes = try #require(try outcome.document()["notes"] as? [[String: Any]])
            return notes.compactMap { note in
                let text = note["text"] as? String ?? ""
                if text.hasPrefix("measured does not apply") { #expect(outcome.errors.contains(text)) }
                return text.hasPrefix("measured") || text.hasPrefix("days and their bands")
                    ? note["code"] as? String : nil
            }
        }
        for arguments in [
            ["search", plan, "--top", "2"], ["compare", plan, "--strategies", "data"],
            ["sweep", plan, "--devices", "32,64"], ["sweep", plan, "--batch", "128"],
        ] { #expect(try codes(arguments) == ["anchored"], "\(arguments)") }
        for arguments in [
            ["sweep", plan, "--network-speed", "1,2"], ["sweep", plan, "--sequence", "4096"],
            ["sweep", plan, "--clusters", "a100-80g-sxm"], ["sweep", plan, "--params", "7B"],
            ["compare", plan, "--strategies", "data", "--clusters", "a100-80g-sxm"],
            ["search", plan, "--precision", "fp8", "--top", "1"],
        ] { #expect(try codes(arguments) == ["key-unused"], "\(arguments)") }
    }

    @Test func everyStrategyHasAVerdict() throws {
        let found = try document(["compare", "plans/gpt3-175b-1024-a100.yaml"])
        let comparison = try #require((found["comparisons"] as? [[String: Any]])?.first)
        let strategies = try #require(comparison["strategies"] as? [[String: Any]])
        #expect(strategies.count >= 15)
        for strategy in strategies { #expect((strategy["verdict"] as? String)?.isEmpty == false) }
        #expect(strategies.filter { $0["verdict"] as? String == "the fastest" }.count == 1)
        let text = try trainyard(["compare", "plans/gpt3-175b-1024-a100.yaml"]).output
        #expect(text.contains("do not divide a batch of 1536"))
        #expect(text.contains("weights, gradients and optimizer"))
        #expect(text.contains("the model has no experts to spread"))
    }

    @Test func theSamePlanOnOtherDevices() throws {
        let found = try document(
            ["compare", Self.plan, "--strategies", "3d", "--clusters", "a100-80g-sxm,h100-80g-sxm"])
        let seconds = try #require(found["comparisons"] as? [[String: Any]]).compactMap { comparison -> Double? in
            let strategy = (comparison["strategies"] as? [[String: Any]])?.first
            let iteration = (strategy?["estimate"] as? [String: Any])?["iteration"] as? [String: Any]
            return iteration?["seconds"] as? Double
        }
        #expect(seconds.count == 2)
        #expect(seconds[1] < seconds[0])
    }

    @Test func scalingTablesAndTheirDrawing() throws {
        let folder = try TemporaryFolder()
        let svg = folder["scaling.svg"]
        let found = try document(["sweep", Self.plan, "--devices", "512..4096", "--svg", svg])
        let sweeps = try #require(found["sweeps"] as? [[String: Any]])
        #expect(sweeps.count == 2)
        for sweep in sweeps {
            let points = try #require(sweep["points"] as? [[String: Any]])
            #expect(points.count == 4)
            #expect(points.first?["efficiency"] as? Double == 1)
        }
        let drawing = try String(contentsOfFile: svg, encoding: .utf8)
        #expect(drawing.contains("ideal") && drawing.contains("strong scaling") && drawing.contains("weak scaling"))
        // Twice the network is never slower.
        let network = try document(["sweep", Self.plan, "--network-speed", "0.5,1,2"])
        let points = try #require((network["sweeps"] as? [[String: Any]])?.first?["points"] as? [[String: Any]])
        let seconds = points.compactMap {
            (($0["estimate"] as? [String: Any])?["iteration"] as? [String: Any])?["seconds"] as? Double
        }
        #expect(seconds.count == 3 && seconds == seconds.sorted(by: >))
    }

    @Test func limitsAreKept() throws {
        func run(_ arguments: [String]) throws -> (run: [String: Any], devices: Int) {
            let found = try document(["sweep", Self.plan] + arguments)
            return (
                try #require(found["run"] as? [String: Any]),
                try #require((found["cluster"] as? [String: Any])?["devices"] as? Int)
            )
        }
        let quick = try run(["--deadline", "90d"])
        let slow = try run(["--deadline", "200d"])
        #expect(try #require(quick.run["days"] as? Double) <= 90)
        #expect(try #require(slow.run["days"] as? Double) <= 200)
        #expect(slow.devices < quick.devices)
        #expect(try #require(try run(["--gpu-months", "6000"]).run["gpuMonths"] as? Double) <= 6000)
        #expect(try #require(try run(["--cost", "2M", "--largest"]).run["cost"] as? Double) <= 2e6)
    }

    /// A budget asks for the fastest run in it, and what it answers is a plan of so many devices.
    @Test func aBudgetIsForTheFastestRun() throws {
        let found = try document(["sweep", Self.plan, "--cost", "8M", "--most-devices", "4096"])
        let run = try #require(found["run"] as? [String: Any])
        #expect(try #require(run["cost"] as? Double) <= 8e6)
        #expect(try #require(run["days"] as? Double) < 120)
    }

    /// Round numbers, primes and less than a node: used and idle devices make up what was asked for, and all are paid.
    @Test(arguments: ["7", "500", "999", "1000", "1500", "3000", "10,000"])
    func anyNumberOfDevices(_ devices: String) throws {
        let found = try document(
            ["estimate", "--params", "7B", "--tokens", "1T", "--gpu", "h100-80g-sxm", "--gpus", devices])
        let cluster = try #require(found["cluster"] as? [String: Any])
        let layout = try #require(found["layout"] as? [String: Any])
        let run = try #require(found["run"] as? [String: Any])
        func count(_ object: [String: Any], _ key: String) throws -> Int { try #require(object[key] as? Int) }
        let used = try count(cluster, "usedDevices")
        #expect(try count(cluster, "devices") == Int(devices.filter { $0 != "," }))
        #expect(try used + count(cluster, "idleDevices") == count(cluster, "devices"))
        #expect(
            try count(layout, "data") * count(layout, "tensor") * count(layout, "pipeline") * count(layout, "context")
                == used)
        let hours = try #require(run["gpuHours"] as? Double)
        let days = try #require(run["days"] as? Double)
        #expect(abs(hours / (days * 24 * Double(try count(cluster, "devices"))) - 1) < 1e-9)
    }

    @Test func idleDevicesAreNamed() throws {
        let outcome = try trainyard(["plan", Self.plan, "--devices", "1000"])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.output.contains(" of 1,000 × "))
        #expect(outcome.errors.contains(" of 1,000 devices are used"))
    }

    @Test(arguments: [
        (
            ["search", plan, "--tensor", "16", "--max-tensor", "8"], 2,
            "tensor 16 contradicts a largest tensor degree of 8"
        ),
        (["search", plan, "--tensor", "7"], 3, "tensor 7 does not divide the model's heads, 80"),
        (
            ["search", plan, "--tensor", "1M", "--pipeline", "1M", "--data", "1M", "--context", "1M"], 3,
            "data 1,000,000 take more devices than any machine has"
        ),
        (["search", plan, "--context", "0"], 2, "--context takes 1 to 1,000,000, not 0"),
        (["search", plan, "--pipeline", "1", "--schedules", "zbv"], 2, "zbv orders a pipeline"),
        (["search", plan, "--schedules", "zbw"], 2, "--schedules: there is no 'zbw'; did you mean 'zbv'?"),
        (["search", plan, "--sharding", "zero"], 2, "--sharding: there is no 'zero'"),
        (["search", plan, "--devices", "8"], 3, "it needs at least"),
        (["compare", plan, "--strategies", "pipelin-1f1b"], 2, "did you mean 'pipeline-1f1b'?"),
        (["compare", plan, "--clusters", "a100-80g-smx"], 2, "--clusters: no cluster of that name"),
        (["sweep", plan], 2, "a sweep over nothing"), (["sweep", plan, "--devices", "512..256"], 2, "runs backwards"),
        (["sweep", plan, "--network-speed", "1,1e-300"], 2, "--network-speed takes 1e-6 to 1e6, not 1e-300"),
        (["sweep", plan, "--devices", "x"], 2, "is not a whole number"),
        (["sweep", plan, "--deadline", "1d"], 3, "the nearest is"),
        (["sweep", plan, "--deadline", "soon"], 2, "--deadline: 'soon' is not a time"),
        (["sweep", plan, "--devices", "64", "--batch", "64"], 2, "give one of"),
        (["sweep", plan, "--largest", "--devices", "64"], 2, "--largest needs a limit"),
        (["sweep", plan, "--devices", "8"], 3, "no point of the sweep"),
    ])
    func badInputEndsWithItsCodeAndOneClearLine(_ arguments: [String], _ code: Int32, _ said: String) throws {
        let outcome = try trainyard(arguments)
        #expect(outcome.exitCode == code, "\(outcome.everything)")
        #expect(outcome.errors.contains(said), "\(outcome.everything)")
    }

    /// Where no price is known the cost is left out, never zero, and nothing is kept below one.
    @Test func withoutAPriceThereIsNoCost() throws {
        let folder = try TemporaryFolder()
        let text =
            "model: {params: 20M}\ntokens: 1B\ncluster: laptop\ndevices: 2\nbatch: 8\nprecision: fp32\nlayout: auto\n"
        let plan = try folder.write(text, as: "small.yaml")
        let compared = try trainyard(["compare", plan, "--strategies", "data,pipeline-1f1b"])
        #expect(compared.exitCode == 0, "\(compared.everything)")
        #expect(!compared.output.contains("dollars"))
        let swept = try trainyard(["sweep", plan, "--devices", "1,2"])
        #expect(swept.exitCode == 0, "\(swept.everything)")
        #expect(!swept.output.contains("dollars"))
        for arguments in [["search", plan, "--objective", "cost"], ["sweep", plan, "--cost", "5M"]] {
            let outcome = try trainyard(arguments)
            #expect(outcome.exitCode == 2, "\(outcome.everything)")
            #expect(outcome.errors.contains("states no price"), "\(outcome.everything)")
        }
    }
}

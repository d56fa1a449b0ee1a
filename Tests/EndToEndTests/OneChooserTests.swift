import Foundation
import TestSupport
import Testing

/// Every command that answers an open plan gives the same layout, from the same choice, and names it.
@Suite struct OneChooserTests {
    private func document(_ arguments: [String]) throws -> [String: Any] {
        try BuiltProgram("trainyard").run(arguments + ["--json"]).document()
    }

    private func layout(_ estimate: Any?) throws -> NSDictionary {
        let estimate = try #require(estimate as? [String: Any])
        return try #require(estimate["layout"] as? NSDictionary)
    }

    /// Calls `body` with the path of a plan file that holds `text`.
    private func withPlan(_ text: String, _ body: (String) throws -> Void) throws {
        let folder = try TemporaryFolder()
        try body(folder.write(text, as: "open.yaml"))
    }

    private static let dense = """
        model: llama3-8b
        tokens: 1T
        cluster: h100-80g-sxm
        devices: 16
        batch: 32

        """

    @Test(arguments: [
        (dense + "layout: auto\n", []), (dense + "framework: torch-fsdp\nlayout: auto\n", []),
        ("model: {params: 20B}\ntokens: 100B\ncluster: gb200-nvl72\ndevices: 24\nbatch: 48\nlayout: auto\n", []),
        (dense + "layout: auto\n", ["--any-software"]), (dense + "layout: auto\n", ["--schedules", "1f1b,zb-h1"]),
    ])
    func anOpenPlanHasOneAnswer(_ text: String, _ options: [String]) throws {
        try withPlan(text) { path in
            let plan = try document(["plan", path] + options)
            let wanted = try layout(plan)
            let search = try document(["search", path] + options)
            #expect(try layout((search["candidates"] as? [Any])?.first) == wanted)
            let simulated = try document(["simulate", path] + options)
            #expect(try layout(simulated) == wanted)
            let devices = try #require((plan["cluster"] as? [String: Any])?["devices"] as? Int)
            let sweep = try document(["sweep", path, "--devices", "\(devices)"] + options)
            let point = ((sweep["sweeps"] as? [[String: Any]])?.first?["points"] as? [[String: Any]])?.first
            #expect(try layout(point?["estimate"]) == wanted)
            let compared = try document(["compare", path] + options)
            let comparison = try #require((compared["comparisons"] as? [[String: Any]])?.first)
            let rows = try #require(comparison["strategies"] as? [[String: Any]])
            let auto = try #require(rows.first { $0["strategy"] as? String == "auto" })
            #expect(try layout(auto["estimate"]) == wanted)
            // Nothing that is compared is faster than what is chosen.
            func seconds(_ row: [String: Any]?) -> Double? {
                ((row?["estimate"] as? [String: Any])?["iteration"] as? [String: Any])?["seconds"] as? Double
            }
            let best = try #require(seconds(auto))
            for row in rows where row["fits"] as? Bool == true { #expect(seconds(row) ?? 0 >= best * (1 - 1e-9)) }
            #expect(!rows.contains { $0["strategy"] as? String == "yours" })
            // All name one software and one space.
            // A plan's answer alone has prices on other software beside it.
            func software(_ document: [String: Any]?) throws -> NSDictionary {
                var found = try #require(document?["framework"] as? [String: Any])
                found["others"] = nil
                return found as NSDictionary
            }
            let framework = try software(plan)
            let space = try #require(plan["searched"] as? NSDictionary)
            #expect(framework["stated"] as? Bool == text.contains("framework:"))
            #expect(try software(simulated) == framework)
            #expect(try software(point?["estimate"] as? [String: Any]) == framework)
            let others = [search, simulated, (sweep["sweeps"] as? [[String: Any]])?.first ?? [:], comparison]
            for other in others { #expect(other["searched"] as? NSDictionary == space) }
        }
    }

    /// `estimate` is `plan` of the same question.
    @Test func anEstimateIsThePlan() throws {
        let text = "model: llama3-8b\ntokens: 1T\ncluster: h100-80g-sxm\ndevices: 16\nbatch: 32\nlayout: auto\n"
        try withPlan(text) { path in
            let estimate = try document(
                [
                    "estimate", "--model", "llama3-8b", "--tokens", "1T", "--gpu", "h100-80g-sxm", "--gpus", "16",
                    "--batch", "32",
                ])
            let plan = try document(["plan", path])
            #expect(try layout(plan) == layout(estimate))
            #expect(plan["framework"] as? NSDictionary == estimate["framework"] as? NSDictionary)
            for command in [["plan"], ["search", "--top", "2"], ["simulate"], ["compare", "--strategies", "3d"]] {
                let said = try BuiltProgram("trainyard").run(command + [path]).output
                #expect(said.contains("searched: layouts that megatron-core runs"), "\(command)")
                #expect(said.contains("megatron-core (assumed"), "\(command)")
            }
        }
    }

    /// Where only the schedule is open it is chosen alike, and `search` and `compare` show the plan's own layout with it.
    @Test(arguments: ["", "framework: torch-fsdp\n"])
    func anOpenScheduleHasOneAnswer(_ framework: String) throws {
        let text =
            Self.dense + framework
            + "layout: {tensor: 2, pipeline: 4, recompute: full, sharding: optimizer, schedule: auto}\n"
        try withPlan(text) { path in
            for options in [[], ["--any-software"]] {
                let plan = try document(["plan", path] + options)
                let wanted = try layout(plan)
                #expect(try layout(document(["simulate", path] + options)) == wanted)
                let own = try document(["search", path, "--top", "1"] + options)["yours"] as? [String: Any]
                #expect(try layout(own?["estimate"]) == wanted)
                #expect((own?["verdict"] as? String)?.isEmpty == false)
                let compared = try document(["compare", path, "--strategies", "zero-3"] + options)
                let rows = ((compared["comparisons"] as? [[String: Any]])?.first?["strategies"] as? [[String: Any]])
                let row = try #require(rows?.last)
                #expect(row["strategy"] as? String == "yours")
                #expect((row["verdict"] as? String)?.isEmpty == false)
                #expect(try layout(row["estimate"]) == wanted)
                let schedules = try #require((plan["searched"] as? [String: Any])?["schedules"] as? [String])
                #expect(schedules.contains(try #require(wanted["schedule"] as? String)))
                #expect(schedules.contains("zb-h2") == !options.isEmpty)
            }
        }
    }

    /// A stated layout that the plan's software cannot run is priced, with a note. A searched plan gets no such note.
    @Test func aLayoutTheSoftwareLacksIsPricedWithANote() throws {
        let layout = "layout: {tensor: 4, pipeline: 4, recompute: full, sharding: gradients, schedule: zb-h1}\n"
        try withPlan(Self.dense + layout) { path in
            let outcome = try BuiltProgram("trainyard").run(["plan", path])
            #expect(outcome.exitCode == 0, "\(outcome.everything)")
            #expect(outcome.errors.contains("megatron-core, which is assumed, has no schedule zb-h1"))
            #expect(outcome.errors.contains("no sharding gradients with a pipeline; it is priced all the same"))
            #expect(outcome.output.contains("Runs on megatron-core (assumed"))
        }
        try withPlan(Self.dense + "framework: trainyard\n" + layout) { path in
            let outcome = try BuiltProgram("trainyard").run(["plan", path])
            #expect(!outcome.errors.contains("priced all the same"), "\(outcome.errors)")
            #expect(outcome.output.contains("Runs on trainyard (stated)"))
        }
    }
}

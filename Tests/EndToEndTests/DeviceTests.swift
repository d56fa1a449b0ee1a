import Foundation
import TestSupport
import Testing

/// Devices as a user names them, and what the answers say of those without published runs.
@Suite struct DeviceTests {
    private func trainyard(_ arguments: [String], in folder: URL? = nil) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(arguments, in: folder ?? BuiltProgram.root)
    }

    private func codes(_ document: [String: Any]) -> [String] {
        (document["notes"] as? [[String: Any]] ?? []).compactMap { $0["code"] as? String }
    }

    private static let plan = """
        model: {params: 1B}
        tokens: 20B
        cluster: CLUSTER
        devices: 16
        batch: 256
        """

    @Test func gpusListsEveryClusterWithUnits() throws {
        let document = try trainyard(["gpus", "--json"]).document()
        let devices = try #require(document["devices"] as? [[String: Any]])
        let names = devices.compactMap { $0["cluster"] as? String }
        let files = try FileManager.default.contentsOfDirectory(
            atPath: BuiltProgram.root.appending(path: "cluster").path)
        #expect(names == files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted())
        let h100 = try #require(devices.first { $0["cluster"] as? String == "h100-80g-sxm" })
        #expect(h100["memoryGiB"] as? Double == 80 && h100["bandwidthGBPerSecond"] as? Double == 3350)
        #expect((h100["peakTFLOPs"] as? [String: Double])?["bf16"] == 989 && h100["hasRuns"] as? Bool == true)
        let networks = try #require(h100["networks"] as? [[String: Any]])
        #expect(networks[0]["devices"] as? Int == 8 && networks[1]["devices"] == nil)
        #expect(networks.map { $0["bandwidthGBPerSecond"] as? Double } == [450, 50])
        let table = try trainyard(["gpus"])
        #expect(table.exitCode == 0 && table.errors.isEmpty)
        for name in names { #expect(table.output.contains("  \(name) "), "\(name)") }
        let narrow = try trainyard(["gpus", "--width", "80"])
        #expect(narrow.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(narrow.output)")
    }

    @Test func aBrokenFileIsLeftOut() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder["cluster"], withIntermediateDirectories: true)
        try folder.write("extends: l40s\nprize: 3\n", as: "cluster/mine.yaml")
        let outcome = try trainyard(["gpus", "--json"], in: folder.url)
        #expect(try (outcome.document()["devices"] as? [Any])?.count ?? 0 > 25)
        #expect(outcome.errors.hasPrefix("note: mine is left out: ") && outcome.errors.contains("prize: unknown key"))
    }

    /// A small question has an answer on every device, which says whether runs back it.
    @Test func everyDeviceAnswers() throws {
        let devices = try #require(trainyard(["gpus", "--json"]).document()["devices"] as? [[String: Any]])
        for device in devices {
            let name = try #require(device["cluster"] as? String)
            guard !["laptop", "local", "phone-4g"].contains(name) else { continue }
            let question = ["--params", "8B", "--tokens", "1T", "--gpu", name, "--gpus", "64"]
            let outcome = try trainyard(["estimate"] + question + ["--json"])
            let document = try outcome.document()
            let run = try #require(document["run"] as? [String: Any])
            #expect(try (2...400).contains(#require(run["days"] as? Double)), "\(name)")
            let mfu = try #require((document["throughput"] as? [String: Any])?["mfu"] as? Double)
            #expect((0.1...0.8).contains(mfu), "\(name): \(mfu)")
            let isSaid = codes(document).filter { $0 == "device-without-runs" }.count
            #expect(isSaid == (device["hasRuns"] as? Bool == true ? 0 : 1), "\(name)")
            #expect(outcome.errors.contains("no run on ") == (isSaid == 1), "\(outcome.errors)")
        }
    }

    /// Every command says once that no run backs a device, on standard error and in its document.
    @Test(arguments: [
        "plan p.yaml", "search p.yaml --top 2", "compare p.yaml --strategies 3d,data", "simulate p.yaml",
        "simulate laid.yaml", "simulate laid.yaml --compare 1f1b", "simulate laid.yaml --schedule gpipe",
        "simulate laid.yaml --microbatches 8", "plan laid.yaml", "sweep p.yaml --devices 8,16",
        "sweep p.yaml --gpu-months 50 --most-devices 64", "estimate --params 1B --tokens 20B --gpu MI355X --gpus 16",
        "compare h.yaml --strategies data --clusters mi355x", "sweep h.yaml --clusters H100,mi355x",
    ])
    func everyAnswerSaysThatNoRunBacksIt(_ command: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.plan.replacing("CLUSTER", with: "mi355x"), as: "p.yaml")
        try folder.write(Self.plan.replacing("CLUSTER", with: "H100"), as: "h.yaml")
        try folder.write(
            Self.plan.replacing("CLUSTER", with: "MI355X") + "\nlayout: {pipeline: 4, schedule: 1f1b, microbatch: 4}\n",
            as: "laid.yaml")
        let words = command.split(separator: " ").map(String.init)
        let said = "no run on AMD Instinct MI355X has been compared with a prediction: efficiency is assumed from "
        for words in [words, words + ["--json"]] {
            let outcome = try trainyard(words, in: folder.url)
            #expect(outcome.exitCode == 0, "\(outcome.everything)")
            #expect(outcome.errors.ranges(of: said).count == 1, "\(outcome.errors)")
            guard words.last == "--json" else { continue }
            #expect(try codes(outcome.document()).filter { $0 == "device-without-runs" }.count == 1)
        }
    }

    @Test func answersOnDevicesWithRunsSayNothing() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.plan.replacing("CLUSTER", with: "H100"), as: "h.yaml")
        for command in ["plan h.yaml", "search h.yaml", "sweep h.yaml --devices 8,16", "simulate h.yaml"] {
            let outcome = try trainyard(command.split(separator: " ").map(String.init) + ["--json"], in: folder.url)
            #expect(try !codes(outcome.document()).contains("device-without-runs"), "\(command)")
            #expect(!outcome.errors.contains("no run on"))
        }
        // A plan on a device without runs, moved to one with runs.
        try folder.write(Self.plan.replacing("CLUSTER", with: "mi355x"), as: "p.yaml")
        let moved = try trainyard(
            ["compare", "p.yaml", "--strategies", "data", "--clusters", "H100", "--json"], in: folder.url)
        #expect(try !codes(moved.document()).contains("device-without-runs"))
    }

    @Test(arguments: [
        ("plan a.yaml", 1), ("estimate --params 1B --tokens 20B --gpu A100 --gpus 16", 1),
        ("compare h.yaml --strategies data --clusters A100,h100", 1), ("sweep h.yaml --clusters A100,H100", 1),
        ("search a.yaml --top 1", 1), ("simulate a.yaml", 1),
    ])
    func theChoiceAmongSeveralIsSaidOnce(_ command: String, _ times: Int) throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.plan.replacing("CLUSTER", with: "A100"), as: "a.yaml")
        try folder.write(Self.plan.replacing("CLUSTER", with: "H100"), as: "h.yaml")
        let outcome = try trainyard(command.split(separator: " ").map(String.init), in: folder.url)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        let said = "A100 is taken as a100-80g-sxm; there are a100-40g-sxm and a100-80g-pcie too"
        #expect(outcome.errors.ranges(of: said).count == times, "\(outcome.errors)")
    }

    @Test(arguments: [
        (
            ["estimate", "--params", "8B", "--tokens", "1T", "--gpu", "H100 PCIe", "--gpus", "8"],
            "error: --gpu: no cluster"
        ),
        (["compare", "h.yaml", "--clusters", "H100 PCIe"], "error: --clusters: no cluster"),
        (["sweep", "h.yaml", "--clusters", "H100 PCIe"], "error: --clusters: no cluster"),
        (["plan", "w.yaml"], "error: w.yaml:3:10: cluster: no cluster"),
    ])
    func aWrongNameEndsWithTheNearest(_ arguments: [String], _ said: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.plan.replacing("CLUSTER", with: "H100"), as: "h.yaml")
        try folder.write(Self.plan.replacing("CLUSTER", with: "H100 PCIe"), as: "w.yaml")
        let outcome = try trainyard(arguments, in: folder.url)
        #expect(outcome.exitCode == 2 && outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix(said), "\(outcome.errors)")
        #expect(outcome.errors.contains("did you mean 'h100-80g-sxm'?"), "\(outcome.errors)")
    }
}

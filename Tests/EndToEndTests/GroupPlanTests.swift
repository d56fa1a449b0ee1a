import Foundation
import TestSupport
import Testing

/// Plans on clusters of unlike devices, from the command line.
@Suite struct GroupPlanTests {
    private func trainyard(_ command: String, in folder: URL? = nil) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(
            command.split(separator: " ").map(String.init), in: folder ?? BuiltProgram.root)
    }

    private static let plan = """
        model: {family: gpt, layers: 16, hidden: 4096, heads: 32, vocab: 50257, sequence: 2048}
        tokens: 10B
        cluster:
          groups:
            - {extends: h100-80g-sxm, nodes: 1}
            - {extends: a100-80g-sxm, nodes: 2, devicesPerNode: 4}
          between: {name: ethernet, bandwidth: 10 GB/s, latency: 20 us, efficiency: 0.8}
        batch: 64
        layout: {tensor: 2, pipeline: 4, data: 2}

        """

    @Test func theShippedPlanFillsBothGroups() throws {
        let outcome = try trainyard("plan plans/llama3-70b-h100-a100.yaml --json")
        #expect(outcome.exitCode == 0)
        let document = try outcome.document()
        let cluster = try #require(document["cluster"] as? [String: Any])
        let groups = try #require(cluster["groups"] as? [[String: Any]])
        #expect(cluster["devices"] as? Int == 96 && groups.count == 2)
        let layers = groups.compactMap { $0["layers"] as? Int }
        #expect(layers.reduce(0, +) == 80)
        // A device of H100 holds more blocks than one of A100.
        let perDevice = groups.map { Double($0["layers"] as? Int ?? 0) / Double($0["devices"] as? Int ?? 1) }
        let isFast = groups.map { ($0["device"] as? String ?? "").contains("H100") }
        #expect(perDevice[isFast[0] ? 0 : 1] > 2 * perDevice[isFast[0] ? 1 : 0])
        let run = try #require(document["run"] as? [String: Any])
        for key in ["cost", "energyMWh", "wallEnergyMWh", "gpuHours"] {
            let sum = groups.reduce(0) { $0 + ($1[key] as? Double ?? .nan) }
            #expect(abs(sum - (run[key] as? Double ?? .nan)) < 1e-6 * sum, "\(key)")
        }
        let memory = try #require(document["memory"] as? [String: Any])
        #expect(memory["fits"] as? Bool == true && memory["tightestGroup"] as? Int != nil)
    }

    @Test func everyAnswerNamesTheGroups() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.plan, as: "plan.yaml")
        let text = try trainyard("plan plan.yaml --explain --write-plan out.yaml", in: folder.url)
        #expect(text.exitCode == 0, "\(text.errors)")
        for words in [
            "on 8 × NVIDIA H100 80GB HBM3 + 8 × NVIDIA A100-SXM4-80GB", "ranks 0 to 1: 1 × 8 NVIDIA H100",
            "ranks 2 to 3: 2 × 4 NVIDIA A100", "is the tightest", "of the sum of all groups' peaks",
            "rank 3 a100-80g-sxm (devicesPerNode 4)", "n_g0·Φ_g0 + n_g1·Φ_g1", "dollars a GPU-hour",
        ] { #expect(text.output.contains(words), "\(words) is not in\n\(text.output)") }
        #expect(text.errors.contains("blocks are divided as on equal devices"), "\(text.errors)")
        // What is written reads back to the same answer.
        let (one, two) = (
            try trainyard("plan plan.yaml --json", in: folder.url),
            try trainyard("plan out.yaml --json", in: folder.url)
        )
        #expect(try (one.document()["iteration"] as? NSDictionary) == (two.document()["iteration"] as? NSDictionary))
        #expect(try (one.document()["cluster"] as? NSDictionary) == (two.document()["cluster"] as? NSDictionary))
        let drawn = try trainyard("simulate plan.yaml --svg a.svg --trace a.json --json", in: folder.url)
        #expect(drawn.exitCode == 0)
        let ranks = try #require(try drawn.document()["byRank"] as? [[String: Any]])
        #expect(ranks.map { ($0["group"] as? String ?? "").hasPrefix("h100") } == [true, true, false, false])
        #expect(try folder.read("a.svg").contains("ranks 0 to 1 on h100-80g-sxm"))
        #expect(try folder.read("a.json").contains("rank 0 h100-80g-sxm"))
        let found = try trainyard("search plan.yaml --top 2 --price 2", in: folder.url)
        #expect(found.exitCode == 0 && found.output.contains("groups"), "\(found.everything)")
        #expect(try trainyard("compare plan.yaml --strategies auto", in: folder.url).exitCode == 0)
        #expect(try trainyard("sweep plan.yaml --network-speed 0.5,2", in: folder.url).exitCode == 0)
    }

    @Test(arguments: [
        ("plan plan.yaml --devices 32", 2, "must be those of cluster.groups, 16"),
        ("compare plan.yaml --clusters big.yaml", 2, "have 32 devices, the plan 16"),
        ("estimate --params 1B --tokens 1B --gpu big.yaml --gpus 16", 2, "must be those of the groups of"),
    ]) func otherNumbersOfDevicesAreRefused(_ command: String, _ code: Int, _ words: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.plan, as: "plan.yaml")
        try folder.write(
            "groups: [{extends: h100-80g-sxm, nodes: 2}, {extends: a100-80g-sxm, nodes: 2}]\n"
                + "between: {name: ethernet, bandwidth: 10 GB/s, latency: 20 us, efficiency: 0.8}\n", as: "big.yaml")
        let outcome = try trainyard(command, in: folder.url)
        #expect([2, 3].contains(outcome.exitCode) && outcome.errors.contains(words), "\(outcome.everything)")
    }

    @Test func filesOfGroupsAreListedByGroup() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder["cluster"], withIntermediateDirectories: true)
        try folder.write(
            "groups: [{extends: h100-80g-sxm, nodes: 2}, {extends: a100-80g-sxm, nodes: 3}]\n"
                + "between: {name: ethernet, bandwidth: 10 GB/s, latency: 20 us, efficiency: 0.8}\n",
            as: "cluster/mixed.yaml")
        let listed = try trainyard("gpus --json", in: folder.url)
        let rows = try #require(try listed.document()["devices"] as? [[String: Any]])
        let own = rows.filter { $0["cluster"] as? String == "mixed" }
        #expect(own.map { $0["nodes"] as? Int } == [2, 3])
        #expect(own.map { $0["devicesPerNode"] as? Int } == [8, 8])
        #expect(try trainyard("gpus", in: folder.url).output.contains("2 × 8"))
    }

    @Test(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"))
    func aRealRunTakesTheLayout() throws {
        let folder = try TemporaryFolder()
        let text = """
            model: {family: gpt, layers: 3, hidden: 32, heads: 2, vocab: 256, sequence: 32}
            cluster:
              groups:
                - {extends: laptop, nodes: 1, devicesPerNode: 1}
                - {extends: laptop, nodes: 1, devicesPerNode: 1, name: slower}
              between: {name: ethernet, bandwidth: 100 MB/s, latency: 20 us, efficiency: 0.8}
            batch: 4
            layout: {pipeline: 2, layersPerStage: [2, 1]}
            train: {data: text.txt, steps: 2, learningRate: 1e-3}

            """
        try folder.write(text, as: "plan.yaml")
        try folder.write(String(repeating: "a cluster of unlike devices. ", count: 200), as: "text.txt")
        let outcome = try trainyard("train plan.yaml --folder run", in: folder.url)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.everything.contains("cluster.groups price alone"))
    }
}

import Foundation
import TestSupport
import Testing

/// `trainyard validate`, driven as a user drives it.
@Suite struct ValidateCommandTests {
    private func trainyard(_ arguments: [String]) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(arguments)
    }

    private func document(_ arguments: [String]) throws -> [String: Any] {
        try trainyard(arguments).document()
    }

    @Test func thePublishedRunsAreReplayed() throws {
        let result = try document(["validate", "--json"])
        #expect((result["runs"] as? [Any])?.count == 2222)
        let core = try #require(result["core"] as? [String: Any])
        #expect(core["rows"] as? Int ?? 0 > 140)
        #expect(core["medianError"] as? Double ?? 1 < 0.1)
        let groups = try #require(result["ranking"] as? [[String: Any]])
        let regrets = groups.compactMap { $0["regret"] as? Double }
        #expect(regrets.count > 80 && regrets.allSatisfy { $0 >= 0 })
        #expect(regrets.reduce(0, +) / Double(regrets.count) < 0.06)
        let fit = try #require((result["fit"] as? [String: Any])?["all"] as? [String: Int])
        #expect(fit["ranButSaidNotToFit"] ?? .max < (fit["ran"] ?? 0) * 3 / 100)
        #expect(fit["outOfMemoryCaught"] ?? 0 > (fit["outOfMemory"] ?? .max) * 8 / 10)
    }

    @Test func runsOfOnesOwnAreRead() throws {
        let folder = try TemporaryFolder()
        let plan = try String(
            contentsOf: BuiltProgram.root.appending(path: "plans/gpt3-175b-64-a100.yaml"), encoding: .utf8)
        let mine = try folder.write(plan + "\nmeasured: {seconds: 10}\n", as: "mine.yaml")
        let priced = try document(["plan", "plans/gpt3-175b-64-a100.yaml", "--json"])
        let seconds = try #require((priced["iteration"] as? [String: Any])?["seconds"] as? Double)
        for path in [folder.path, mine] {
            let result = try document(["validate", "--runs", path, "--json"])
            let row = try #require((result["runs"] as? [[String: Any]])?.first)
            #expect(row["predictedSeconds"] as? Double == seconds)
            #expect(abs((row["error"] as? Double ?? .nan) - (seconds / 10 - 1)) < 1e-12)
        }
    }

    @Test func badInputIsNamed() throws {
        for (arguments, said) in [
            (["validate", "--runs", "/nowhere"], "/nowhere: no such file or folder"),
            (["validate", "--runs", "plans/gpt3-175b-64-a100.yaml"], "measured: is missing"),
            (["validate", "--json", "--markdown"], "exclude one another"),
            (["validate", "my-claims.yaml"], "files of claims come with --claims"),
            (["validate", "--claims", "--whole-runs"], "--claims stands alone"),
            (["validate", "--claims", "/nowhere"], "/nowhere: no such file or folder"),
            (["validate", "--claims", "plans/gpt3-175b-64-a100.yaml"], "sources: is missing"),
        ] {
            let outcome = try trainyard(arguments)
            #expect(outcome.exitCode == 2)
            #expect(outcome.errors.contains(said), "\(outcome.errors)")
        }
    }
}

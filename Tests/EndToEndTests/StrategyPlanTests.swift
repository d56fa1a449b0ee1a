import Foundation
import TestSupport
import Testing

/// Every plan of `plans/strategies` runs, and learns.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct StrategyPlanTests {
    static let plans: [String] = {
        let folder = BuiltProgram.root.appending(path: "plans/strategies").path
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(".yaml") }
            .sorted()
    }()

    @Test func thereIsOneForEverySchedule() throws {
        let known = try BuiltProgram("trainyard").run(["schedule", "unknown"]).errors
        let list = try #require(known.firstMatch(of: #/there are ([^\n]+)/#)).1
        for name in list.replacing(" or ", with: ", ").split(separator: ", ") {
            #expect(Self.plans.contains("schedule-\(name).yaml"), "\(name)")
        }
        for name in [
            "tensor", "tensor-sequence", "data", "zero-1", "zero-2", "zero-3", "context", "experts",
            "experts-tensor", "llama", "recompute-selective", "recompute-full", "three-dimensions", "dualpipe-zero-3",
        ] {
            #expect(Self.plans.contains("\(name).yaml"), "\(name)")
        }
    }

    @Test(arguments: plans) func runs(plan: String) throws {
        let folder = try TemporaryFolder()
        let outcome = try BuiltProgram("trainyard").run([
            "train", "plans/strategies/\(plan)", "--data", "README.md", "--steps", "3", "--quiet", "--folder",
            folder["run"],
        ])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        struct Step: Decodable { let loss: Double }
        let losses = try folder.read("run/log.jsonl").split(separator: "\n")
            .map { try JSONDecoder().decode(Step.self, from: Data($0.utf8)).loss }
        #expect(losses.count == 3)
        #expect(try #require(losses.first) > 5 && losses[2] < losses[0], "\(losses)")
    }
}

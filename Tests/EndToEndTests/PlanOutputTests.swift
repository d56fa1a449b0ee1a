import Foundation
import TestSupport
import Testing

/// Commands write over nothing they read, by whatever name.
@Suite struct PlanOutputTests {
    @Test func whatACommandReadsIsNotWrittenOver() throws {
        let scratch = try TemporaryFolder()
        let folder = scratch.url
        let plan = folder.appending(path: "a.yaml")
        let shipped = BuiltProgram.root.appending(path: "plans/gpt3-175b-64-a100.yaml")
        let cluster = BuiltProgram.root.appending(path: "cluster/a100-80g-sxm.yaml")
        try FileManager.default.copyItem(at: cluster, to: folder.appending(path: "mine.yaml"))
        let text = try String(contentsOf: shipped, encoding: .utf8).split(separator: "\n")
            .map { $0.hasPrefix("cluster:") ? "cluster: ./mine.yaml" : String($0) }.joined(separator: "\n")
        try Data(text.utf8).write(to: plan)
        symlink("a.yaml", folder.path + "/soft.yaml")
        link(plan.path, folder.path + "/hard.yaml")
        let before = try ["a.yaml", "mine.yaml"].map { try Data(contentsOf: folder.appending(path: $0)) }
        for (arguments, words) in [
            ("plan a.yaml --write-plan a.yaml", "--write-plan would replace the file that the plan names"),
            ("plan a.yaml --write-plan ./hard.yaml", "the plan names"),
            ("plan soft.yaml --write-plan a.yaml", "the plan names"),
            ("plan a.yaml --write-plan mine.yaml", "model, cluster or framework names"),
            ("search a.yaml --write-plan soft.yaml", "the plan names"),
            ("sweep a.yaml --devices 64,128 --svg hard.yaml", "the plan names"),
            ("simulate a.yaml --svg a.yaml", "the plan names"),
            ("simulate a.yaml --svg mine.yaml", "model, cluster or framework names"),
            ("simulate --svg x --trace ./x", "--trace and --svg name the same file"),
            ("calibrate --plan a.yaml --out soft.yaml", "--out would replace the file that --plan names"),
        ] {
            let outcome = try BuiltProgram("trainyard").run(
                arguments.split(separator: " ").map(String.init), in: folder)
            #expect(outcome.exitCode == 2 && outcome.errors.contains(words), "\(arguments): \(outcome.everything)")
        }
        #expect(before == (try ["a.yaml", "mine.yaml"].map { try Data(contentsOf: folder.appending(path: $0)) }))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names == ["a.yaml", "hard.yaml", "mine.yaml", "soft.yaml"])
    }
}

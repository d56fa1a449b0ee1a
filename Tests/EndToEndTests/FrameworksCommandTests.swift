import Foundation
import TestSupport
import Testing

/// `trainyard frameworks`, driven as a user drives it.
@Suite struct FrameworksCommandTests {
    private func trainyard(_ arguments: [String]) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(arguments)
    }

    @Test func everyFileIsListed() throws {
        let names = try FileManager.default.contentsOfDirectory(
            atPath: BuiltProgram.root.appending(path: "frameworks").path
        ).filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
        let document = try trainyard(["frameworks", "--json"]).document()
        let listed = try #require(document["frameworks"] as? [[String: Any]])
        #expect(listed.compactMap { $0["name"] as? String } == names)
        // Fitted constants have runs of two publications or more behind them; those that fewer fix are assumed.
        for framework in listed {
            for constant in try #require(framework["constants"] as? [[String: Any]]) {
                let kind = try #require(constant["kind"] as? String)
                let sources = constant["sources"] as? Int
                switch kind {
                case "fitted": #expect(sources ?? 0 > 1)
                case "assumed": #expect(sources ?? 2 < 2)
                default: #expect(kind == "stated" && sources == nil)
                }
            }
        }
        let table = try trainyard(["frameworks"])
        #expect(table.exitCode == 0 && table.errors.isEmpty)
        for name in names { #expect(table.output.contains("  \(name) "), "\(name)") }
        let narrow = try trainyard(["frameworks", "--width", "80"])
        #expect(narrow.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(narrow.output)")
    }

    @Test func oneIsToldInFull() throws {
        let told = try trainyard(["frameworks", "nemo@25.04"])
        #expect(told.output.hasPrefix("megatron-core, since 2023-06\n"))
        #expect(told.output.contains("elementwise"))
        let inherited = try trainyard(["frameworks", "torchtitan", "--json"]).document()
        let constants = (inherited["frameworks"] as? [[String: Any]])?.first?["constants"] as? [[String: Any]]
        let attention = try #require(constants?.first { $0["key"] as? String == "attention" })
        #expect(attention["from"] as? String == "torch-fsdp")
    }

    @Test(arguments: [
        ("nmeo", "no software of the name 'nmeo'; did you mean 'nemo'?"), ("nemo@latest", "neither a name"),
    ])
    func anUnknownNameIsOneLine(_ name: String, _ said: String) throws {
        let outcome = try trainyard(["frameworks", name])
        #expect(outcome.exitCode == 2 && outcome.errors.contains(said), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }
}

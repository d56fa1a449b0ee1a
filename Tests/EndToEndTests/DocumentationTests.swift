import Foundation
import Testing

/// What docs/schedules.md shows is what the commands print.
@Suite struct DocumentationTests {
    /// One command of a console block and the output shown beneath it.
    struct Example: CustomTestStringConvertible, Sendable {
        var command: String
        var output: String
        var testDescription: String { command }
    }

    static let examples: [Example] = {
        let page = BuiltProgram.root.appending(path: "docs/schedules.md")
        guard let text = try? String(contentsOf: page, encoding: .utf8) else { return [] }
        var examples: [Example] = []
        var isInside = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isInside = line == "```console"
            } else if isInside, line.hasPrefix("$ trainyard ") {
                examples.append(Example(command: String(line.dropFirst("$ trainyard ".count)), output: ""))
            } else if isInside, !examples.isEmpty {
                examples[examples.count - 1].output += line + "\n"
            }
        }
        return examples
    }()

    /// Every schedule by name, from what the program says of one that it does not know, has its place on the page.
    @Test func thePageHasItsExamples() throws {
        let known = try BuiltProgram("trainyard").run(["schedule", "unknown"]).errors
        let list = try #require(known.firstMatch(of: #/there are ([^\n]+)/#)).1
        let names = list.replacing(" or ", with: ", ").split(separator: ", ")
        #expect(names.count >= 13)
        #expect(Self.examples.filter { !$0.output.isEmpty }.count >= names.count + 3)
        #expect(Self.examples.filter { $0.command.contains("--svg") }.count >= names.count)
        let page = try String(contentsOf: BuiltProgram.root.appending(path: "docs/schedules.md"), encoding: .utf8)
        for name in names {
            #expect(page.contains("\n## `\(name)`\n"), "\(name) has no section")
            #expect(page.contains("](images/\(name).svg)"), "\(name) has no picture")
            #expect(
                Self.examples.contains { !$0.output.isEmpty && $0.command.contains("--schedule \(name) ") },
                "\(name) has no example")
        }
    }

    @Test(arguments: examples)
    func isWhatTheCommandGives(_ example: Example) throws {
        var arguments = example.command.split(separator: " ").map(String.init)
        guard let flag = arguments.firstIndex(of: "--svg") else {
            let outcome = try BuiltProgram("trainyard").run(arguments)
            #expect(outcome.output == example.output)
            return
        }
        let drawing = FileManager.default.temporaryDirectory.appending(path: "trainyard-\(UUID().uuidString).svg")
        defer { try? FileManager.default.removeItem(at: drawing) }
        let committed = BuiltProgram.root.appending(path: arguments[flag + 1])
        arguments[flag + 1] = drawing.path
        let outcome = try BuiltProgram("trainyard").run(arguments)
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(try Data(contentsOf: drawing) == Data(contentsOf: committed))
    }
}

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

    @Test func thePageHasItsExamples() {
        #expect(Self.examples.filter { !$0.output.isEmpty }.count == 4)
        #expect(Self.examples.filter { $0.command.contains("--svg") }.count == 3)
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

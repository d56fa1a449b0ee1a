import Foundation
import TestSupport
import Testing

/// A page of the documents, whose examples are compared with what the program prints.
struct DocumentationPage {
    /// Pages with commands whose output is always the same.
    static let all = [
        "README.md", "docs/getting-started.md", "docs/accuracy.md", "docs/plan-format.md", "docs/cluster-format.md",
        "docs/schedules.md", "docs/campaigns.md", "docs/checking-the-numbers.md", "docs/inference.md",
        "docs/scaling.md",
        "Examples/own-cluster/README.md",
        "Examples/own-schedule/README.md",
    ]

    var path: String
    var lines: [String]

    var url: URL { BuiltProgram.root.appending(path: path) }

    init(path: String, lines: [String]) {
        self.path = path
        self.lines = lines
    }

    init(_ path: String) throws {
        self.path = path
        lines = try String(contentsOf: BuiltProgram.root.appending(path: path), encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// The blocks between fences: what stands behind the opening one, and the lines inside.
    var blocks: [(kind: String, lines: Range<Int>)] {
        var blocks: [(kind: String, lines: Range<Int>)] = []
        var open: Int?
        for (index, line) in lines.enumerated() where line.hasPrefix("```") {
            if let start = open {
                blocks.append((String(lines[start].dropFirst(3)), start + 1..<index))
                open = nil
            } else {
                open = index
            }
        }
        return blocks
    }

    /// The commands of console blocks with the output beneath them, and the drawings that shell blocks make.
    var examples: [DocumentedExample] {
        var found: [DocumentedExample] = []
        for block in blocks where block.kind == "console" {
            let starts = block.lines.filter { lines[$0].hasPrefix("$ ") }
            for (index, start) in starts.enumerated() {
                let end = index + 1 < starts.count ? starts[index + 1] : block.lines.upperBound
                found.append(
                    DocumentedExample(
                        page: path, command: String(lines[start].dropFirst(2)), output: Array(lines[start + 1..<end]),
                        place: start + 1..<end))
            }
        }
        for block in blocks where block.kind == "sh" {
            for index in block.lines where lines[index].contains(" --svg docs/images/") {
                found.append(
                    DocumentedExample(page: path, command: lines[index], output: [], place: index + 1..<index + 1))
            }
        }
        return found
    }
}

/// One command of a page and the output shown beneath it.
struct DocumentedExample: CustomTestStringConvertible, Sendable {
    var page: String
    var command: String
    var output: [String]
    /// Lines of the page that hold the output.
    var place: Range<Int>

    var testDescription: String { "\(page): \(command)" }

    /// Commands whose output depends on nothing but their input. Training, measuring and text from a model do not.
    private static let repeatable = [
        "plan", "estimate", "search", "compare", "sweep", "schedule", "simulate", "validate", "campaign", "inference",
        "fits", "scaling",
    ]

    /// Whether the command gives the same on every machine: one of the above, or a file shown as it is. A command
    /// without output beside it is a hint rather than an example, unless it draws a picture of the page.
    var isRepeatable: Bool {
        let words = command.split(separator: " ").map(String.init)
        guard drawing != nil || !output.isEmpty, words.count > 1 else { return false }
        return words[0] == "cat" || (words[0] == "trainyard" && Self.repeatable.contains(words[1]))
    }

    /// The picture the command draws.
    var drawing: String? {
        let words = command.split(separator: " ").map(String.init)
        guard let flag = words.firstIndex(of: "--svg"), flag + 1 < words.count else { return nil }
        return words[flag + 1]
    }

    /// Output of the command on a terminal: both streams in their order.
    func run() throws -> [String] {
        let program = try BuiltProgram("trainyard").url.deletingLastPathComponent().path
        let shell = "export PATH='\(program)':\"$PATH\"; exec 2>&1; \(command)"
        let outcome = try BuiltProgram.run(URL(filePath: "/bin/bash"), ["-c", shell], in: BuiltProgram.root)
        var lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// The picture as the command draws it today.
    func draw() throws -> Data {
        let folder = try TemporaryFolder()
        let file = folder["drawing.svg"]
        var copy = self
        copy.command = command.replacing(drawing ?? "", with: file)
        let said = try copy.run()
        return try #require(FileManager.default.contents(atPath: file), "\(command): \(said)")
    }

    /// The output without what differs from run to run: how long a search took.
    static func lasting(_ line: String) -> String {
        line.replacing(#/ tried in [0-9.,]+ (ns|µs|ms|s)\b/#, with: " tried in …")
    }

    /// `printed`, with the page's own line wherever nothing but the clock differs.
    func refreshed(_ printed: [String]) -> [String] {
        printed.enumerated().map { index, line in
            index < output.count && Self.lasting(output[index]) == Self.lasting(line) ? output[index] : line
        }
    }
}

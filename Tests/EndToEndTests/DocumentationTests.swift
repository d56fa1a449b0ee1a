import Foundation
import Testing

/// What the documents show is what the commands print. `make docs` writes it into them.
@Suite struct DocumentationTests {
    static let isRefreshing = ProcessInfo.processInfo.environment["TRAINYARD_REFRESH_DOCS"] == "1"
    static let pages = DocumentationPage.all.compactMap { try? DocumentationPage($0) }
    static let examples = pages.flatMap(\.examples).filter(\.isRepeatable)
    static let messages = pages.flatMap(DocumentedMessage.messages)

    /// Every schedule by name, from what the program says of one that it does not know, has its place on the page.
    @Test func everyScheduleHasItsExamples() throws {
        let known = try BuiltProgram("trainyard").run(["schedule", "unknown"]).errors
        let list = try #require(known.firstMatch(of: #/there are ([^\n]+)/#)).1
        let names = list.replacing(" or ", with: ", ").split(separator: ", ")
        #expect(names.count >= 13)
        let examples = Self.examples.filter { $0.page == "docs/schedules.md" }
        #expect(examples.filter { !$0.output.isEmpty }.count >= names.count + 3)
        #expect(examples.filter { $0.drawing != nil }.count >= names.count)
        let page = try DocumentationPage("docs/schedules.md").lines.joined(separator: "\n")
        for name in names {
            #expect(page.contains("\n## `\(name)`\n"), "\(name) has no section")
            #expect(page.contains("](images/\(name).svg)"), "\(name) has no picture")
            #expect(
                examples.contains { !$0.output.isEmpty && $0.command.contains("--schedule \(name) ") },
                "\(name) has no example")
        }
    }

    /// No page is read as empty.
    @Test func everyPageIsCompared() {
        #expect(Self.pages.count == DocumentationPage.all.count)
        for (page, count) in [("README.md", 2), ("docs/getting-started.md", 8), ("docs/accuracy.md", 2)] {
            #expect(Self.examples.filter { $0.page == page }.count >= count, "\(page)")
        }
        for (page, count) in [("docs/plan-format.md", 50), ("docs/cluster-format.md", 10)] {
            #expect(Self.messages.filter { $0.page == page }.count >= count, "\(page)")
        }
    }

    @Test(.disabled(if: isRefreshing), arguments: examples)
    func isWhatTheCommandGives(_ example: DocumentedExample) throws {
        if let drawing = example.drawing {
            let committed = try Data(contentsOf: BuiltProgram.root.appending(path: drawing))
            #expect(try example.draw() == committed, "\(drawing) is drawn otherwise now; `make docs` draws it again")
        } else {
            let printed = try example.run()
            #expect(
                printed.map(DocumentedExample.lasting) == example.output.map(DocumentedExample.lasting),
                "\(example.page), \(example.command) prints\n\(printed.joined(separator: "\n"))")
        }
    }

    @Test(.disabled(if: isRefreshing))
    func messagesAreWhatTheProgramSays() throws {
        var compared = 0
        for message in Self.messages {
            guard let said = try message.said() else { continue }
            compared += 1
            #expect(said == message.message, "\(message.page):\(message.place + 1)")
        }
        #expect(compared >= 30, "\(compared) of \(Self.messages.count)")
    }

    /// Writes today's output into the pages, and today's pictures beside them.
    @Test(.enabled(if: isRefreshing)) func refresh() throws {
        for var page in Self.pages {
            for message in DocumentedMessage.messages(of: page) {
                if let said = try message.said() { page.lines[message.place] = "    " + said }
            }
            // From the last to the first, so that places stay what they are.
            for example in page.examples.filter(\.isRepeatable).sorted(by: { $0.place.lowerBound > $1.place.lowerBound }
            ) {
                if let drawing = example.drawing {
                    try example.draw().write(to: BuiltProgram.root.appending(path: drawing))
                } else {
                    page.lines.replaceSubrange(example.place, with: example.refreshed(try example.run()))
                }
            }
            try Data(page.lines.joined(separator: "\n").utf8).write(to: page.url)
        }
    }
}

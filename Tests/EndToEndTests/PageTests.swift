import Foundation
import TestSupport
import Testing

/// What the pages lead to is there.
@Suite struct PageTests {
    /// Every page of the checkout that people read.
    static let pages: [String] = {
        let tops = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
        return tops
            + ["docs", "Examples"].flatMap { folder in
                let root = BuiltProgram.root.appending(path: folder).path
                return (FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? [])
                    .filter { $0.hasSuffix(".md") }.sorted().map { "\(folder)/\($0)" }
            }
    }()

    @Test(arguments: pages) func linksLeadSomewhere(_ page: String) throws {
        for link in MarkdownLink.all(of: try DocumentationPage(page)) {
            let problem = try link.problem()
            #expect(problem == nil, "\(problem ?? "")")
        }
    }

    @Test func linksAreFound() throws {
        #expect(Self.pages.count >= 20)
        #expect(MarkdownLink.all(of: try DocumentationPage("README.md")).count >= 15)
        #expect(MarkdownLink.anchor("## A timeline's figures") == "a-timelines-figures")
        #expect(MarkdownLink.anchor("## `1f1b`") == "1f1b")
        let missing = MarkdownLink(page: "docs/json.md", line: 1, target: "glossary.md#no-such-heading")
        #expect(try missing.problem()?.hasSuffix("names no heading") == true)
        #expect(try MarkdownLink(page: "docs/json.md", line: 1, target: "none.md").problem() != nil)
    }

    /// Makefile targets that the pages tell people to run.
    @Test func everyMakeTargetIsThere() throws {
        let makefile = try String(contentsOf: BuiltProgram.root.appending(path: "Makefile"), encoding: .utf8)
        let targets = makefile.matches(of: #/(?m)^([a-z-]+):/#).map { String($0.1) }
        var named = 0
        for page in Self.pages {
            let page = try DocumentationPage(page)
            let commands = page.blocks.filter { $0.kind == "sh" }.flatMap { page.lines[$0.lines] }
            let inline = page.lines.flatMap { $0.matches(of: #/`(make [a-z-]+)/#).map { String($0.1) } }
            for word in (commands + inline).compactMap({ $0.firstMatch(of: #/^make ([a-z-]+)/#) }) {
                named += 1
                #expect(targets.contains(String(word.1)), "\(page.path): make \(word.1)")
            }
        }
        #expect(named >= 15)
    }
}

/// Every example of `Examples/` is shown with what it prints.
@Suite struct ExampleTests {
    @Test func everyExampleHasAPageThatIsCompared() throws {
        let folder = BuiltProgram.root.appending(path: "Examples").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasSuffix(".md") }
        #expect(names.count >= 2)
        for name in names {
            let page = "Examples/\(name)/README.md"
            #expect(DocumentationPage.all.contains(page), "\(page)")
            #expect(DocumentationTests.examples.contains { $0.page == page && $0.output.count > 3 }, "\(page)")
            let index = try DocumentationPage("Examples/README.md").lines.joined()
            #expect(index.contains("](\(name)/README.md)"), "\(page)")
        }
    }

    /// The lists that the page shows are those of the script, and both are those of the schedule it describes.
    @Test func theScriptMakesTheListsThatAreShown() throws {
        let folder = BuiltProgram.root.appending(path: "Examples/own-schedule")
        let shown = try String(contentsOf: folder.appending(path: "eager-1f1b.csv"), encoding: .utf8)
        #expect(shown.hasPrefix("0F0,0F1,0F2,0F3,0F4,0F5,0F6,0B0,0F7,0B1"))
        let made = try BuiltProgram.run(
            URL(filePath: "/bin/sh"), ["-c", "command -v python3 > /dev/null || exit 77; ./lists.py 4 8"], in: folder)
        guard made.exitCode != 77 else { return }
        #expect(made.exitCode == 0 && made.output == shown, "\(made.everything)")
    }

    /// Lists of other shapes can be run, and are refused where two actions change places that may not.
    @Test func changedListsAreRefused() throws {
        let file = BuiltProgram.root.appending(path: "Examples/own-schedule/eager-1f1b.csv")
        let lists = try String(contentsOf: file, encoding: .utf8)
        let folder = try TemporaryFolder()
        let changed = try folder.write(lists.replacing("3F0,3B0", with: "3B0,3F0"), as: "changed.csv")
        let outcome = try BuiltProgram("trainyard").run(["simulate", "--actions", changed])
        #expect(outcome.exitCode == 2 && outcome.errors.contains("rank 3, position 0, 3B0"), "\(outcome.everything)")
    }

    /// The cluster of the example says all that has no default, and the plan finds it by its path.
    @Test func theClusterIsThePlans() throws {
        let outcome = try BuiltProgram("trainyard").run(["plan", "Examples/own-cluster/plan.yaml", "--json"])
        let cluster = try #require(try outcome.document()["cluster"] as? [String: Any])
        #expect(cluster["name"] as? String == "four-servers" && cluster["device"] as? String == "NVIDIA L40S")
        #expect(cluster["devices"] as? Int == 32 && cluster["idleDevices"] as? Int == 0)
    }
}

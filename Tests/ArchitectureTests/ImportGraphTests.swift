import Foundation
import TestSupport
import Testing

/// The table of rooms in docs/architecture.md is the import graph of Package.swift.
@Suite struct ImportGraphTests {
    /// Room → the rooms it imports.
    typealias Graph = [String: Set<String>]

    static func read(_ path: String) throws -> String {
        try String(contentsOfFile: "\(Checkout.root)/\(path)", encoding: .utf8)
    }

    /// The targets whose sources are in `Sources/`, with what they depend on of this package.
    static func targets(in manifest: String) -> Graph {
        let text = manifest.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.replacing(#/(^|[ ])\/\/.*$/#, with: "") }.joined(separator: "\n")
        func names(in text: some StringProtocol) -> Set<String> {
            Set(String(text).matches(of: #/"([^"]+)"/#).map { String($0.1) })
        }
        // `let planning: [Target.Dependency] = ["Plans"]`
        let lists = text.matches(of: #/let (\w+): \[Target\.Dependency\] = \[([^\]]*)\]/#)
            .map { (name: String($0.1), names: names(in: $0.2)) }
        var found: Graph = [:]
        for match in text.matches(of: #/\.(target|executableTarget|systemLibrary)\(/#) {
            let arguments = arguments(String(text[match.range.upperBound...]))
            guard let name = arguments["name"].flatMap({ names(in: $0).first }), arguments["path"] == nil else {
                continue
            }
            let dependencies = arguments["dependencies"] ?? ""
            let words = Set(dependencies.matches(of: #/\w+/#).map { String($0.0) })
            found[name] = lists.filter { words.contains($0.name) }
                .reduce(names(in: dependencies)) { $0.union($1.names) }
        }
        // All other names are packages of others.
        return found.mapValues { $0.intersection(found.keys) }
    }

    /// The arguments of a call, by label, from behind its opening parenthesis to the closing one.
    private static func arguments(_ text: String) -> [String: String] {
        var depth = 0
        var found = [""]
        for character in text {
            if "([".contains(character) { depth += 1 }
            if ")]".contains(character) { depth -= 1 }
            if depth < 0 { break }
            if depth == 0, character == "," {
                found.append("")
            } else {
                found[found.count - 1].append(character)
            }
        }
        return found.reduce(into: [:]) { arguments, argument in
            guard let colon = argument.firstIndex(of: ":") else { return }
            arguments[argument[..<colon].trimmingCharacters(in: .whitespacesAndNewlines)] =
                String(argument[argument.index(after: colon)...])
        }
    }

    /// The rows `| rooms | job | imports of ours | … |`, several rooms a row where they have the same imports.
    ///
    /// `what Costs imports` stands for the imports of that row.
    static func rows(in page: String) -> Graph {
        var cells: [String: [String]] = [:]
        for (room, columns) in table(in: page) { cells[room] = columns.imports }
        func imports(_ room: String, depth: Int = 0) -> Set<String> {
            Set(
                (cells[room] ?? []).flatMap { cell -> Set<String> in
                    guard let other = cell.wholeMatch(of: #/what ([^ ]+) imports/#)?.1, depth < 10 else {
                        return [cell]
                    }
                    return imports(String(other), depth: depth + 1)
                })
        }
        return Dictionary(uniqueKeysWithValues: cells.keys.map { ($0, imports($0)) })
    }

    @Test func theTableIsTheGraphOfThePackage() throws {
        let (targets, rows) = (
            Self.targets(in: try Self.read("Package.swift")), Self.rows(in: try Self.read("docs/architecture.md"))
        )
        #expect(targets.count > 10 && targets["Costs"]?.contains("Plans") == true)
        #expect(Set(targets.keys) == Set(rows.keys))
        for (room, imports) in targets { #expect(rows[room] == imports, "\(room)") }
    }

    /// Lists of the last two columns by room; several rooms may have one row.
    private static func table(in page: String) -> [(room: String, columns: (imports: [String], libraries: [String]))] {
        func list(_ cell: String) -> [String] { cell == "–" ? [] : cell.components(separatedBy: ", ") }
        return page.split(separator: "\n").filter { $0.hasPrefix("| `") }.flatMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 4 else { return [(String, ([String], [String]))]() }
            return cells[0].matches(of: #/`([^`]+)`/#).map { (String($0.1), (list(cells[2]), list(cells[3]))) }
        }
    }

    /// Modules that a source file imports. The C libraries, one on each system, do not count.
    static func imports(in source: String) -> Set<String> {
        // Texts of several lines may hold another language's imports.
        let code = source.replacing(#/"""(?:.|\n)*?"""/#, with: "")
        return Set(
            code.matches(of: #/(?m)^ *(?:[a-z]+ )?import (?:struct |enum |class |func )?(\w+)/#).map { String($0.1) }
        ).subtracting(["Darwin", "Glibc", "Musl"])
    }

    /// SwiftPM lets a target import what it does not declare, as soon as another target has built it.
    @Test func filesImportWhatTheirRoomDeclares() throws {
        let targets = Self.targets(in: try Self.read("Package.swift"))
        let libraries = Dictionary(
            uniqueKeysWithValues: Self.table(in: try Self.read("docs/architecture.md")).map {
                ($0.room, Set($0.columns.libraries))
            })
        for (room, declared) in targets {
            let imports = try Room.texts(of: room, in: Room.sources).reduce(into: Set<String>()) {
                $0.formUnion(Self.imports(in: $1))
            }
            guard !imports.isEmpty || !declared.isEmpty else { continue }
            #expect(imports.intersection(targets.keys) == declared, "\(room)")
            #expect(imports.subtracting(targets.keys) == libraries[room], "\(room)")
        }
    }

    @Test func importsAreRead() {
        let source = """
            // import No
            import A
            package import B
            #if canImport(Glibc)
                internal import Glibc
            #endif
            import struct C.D
            let text = "import E"
            """
        #expect(Self.imports(in: source) == ["A", "B", "C"])
    }

    /// Every folder in `Sources/` is a room.
    @Test func everyRoomIsAFolder() throws {
        #expect(Set(try Room.names(in: Room.sources)) == Set(Self.targets(in: try Self.read("Package.swift")).keys))
    }

    @Test func aTargetIsReadWithItsDependencies() {
        let manifest = """
            let some: [Target.Dependency] = ["A", "B"]
            // .target(name: "No"),
            .target(name: "A", swiftSettings: strict), // .target(name: "No"),
            .target(
                name: "B", dependencies: ["A", "Yams", argumentParser], swiftSettings: [.unsafeFlags(["-O"])]),
            .systemLibrary(name: "C", providers: [.apt(["libc"])]),
            .executableTarget(name: "D", dependencies: ["B"], path: "Tests/D"),
            .testTarget(name: "ATests", dependencies: ["A"]),
            .target(name: "E", dependencies: some + ["C"]),
            """
        #expect(Self.targets(in: manifest) == ["A": [], "B": ["A"], "C": [], "E": ["A", "B", "C"]])
    }

    @Test func aRowIsReadWithItsImports() {
        let page = """
            | room | its one job | imports of ours | from outside |
            |---|---|---|---|
            | `A`, `B` | what: `X`, `Y` | – | – |
            | `C` | how | A, B | Yams |
            | `D` | why | what C imports, C | – |
            """
        #expect(Self.rows(in: page) == ["A": [], "B": [], "C": ["A", "B"], "D": ["A", "B", "C"]])
    }
}

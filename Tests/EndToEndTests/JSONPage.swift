import Foundation

/// The tables of docs/json.md: the keys that each document may have.
struct JSONPage {
    /// A key of a table.
    struct Key: Hashable {
        /// The section's heading as links spell it.
        var section: String
        /// `memory.byRank[].rank`; `*` stands for any one name.
        var path: String
        /// The section that describes the value, where that is an object with a table of its own.
        var described: String?

        fileprivate var names: [String] { path.split(separator: ".").map(String.init) }
    }

    /// By section.
    private(set) var keys: [String: [Key]] = [:]

    init(_ page: DocumentationPage) {
        var section: String?
        for line in page.lines {
            if line.hasPrefix("## ") {
                section = MarkdownLink.anchor(line)
            } else if let section, line.hasPrefix("| `") {
                let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
                // Links to sections that describe a value stand in the column of its type.
                let described = cells.dropFirst().first?.firstMatch(of: #/\]\(#([a-z-]+)\)/#).map { String($0.1) }
                for word in cells[0].matches(of: #/`([^`]+)`/#) {
                    keys[section, default: []].append(
                        Key(section: section, path: String(word.1), described: described))
                }
            }
        }
    }

    /// The names along every path of a document, down to what is neither object nor list. A list adds `[]` to its name.
    static func paths(_ value: Any, _ names: [String] = []) -> Set<[String]> {
        if let object = value as? [String: Any] {
            return object.reduce(into: []) { $0.formUnion(paths($1.value, names + [$1.key])) }
        }
        if let list = value as? [Any] {
            var names = names
            names.append((names.popLast() ?? "") + "[]")
            return list.reduce(into: []) { $0.formUnion(paths($1, names)) }
        }
        return [names]
    }

    /// The keys that describe a path of the document of `section`, one for each section on the way; nil where the page says
    /// nothing of it.
    func description(of path: [String], in section: String) -> [Key]? {
        for key in keys[section] ?? [] {
            let names = key.names
            guard path.count >= names.count, zip(names, path).allSatisfy({ $0 == $1 || $0 == "*" }) else { continue }
            let rest = Array(path.dropFirst(names.count))
            if rest.isEmpty { return [key] }
            if let described = key.described, let further = description(of: rest, in: described) {
                return [key] + further
            }
        }
        return nil
    }
}

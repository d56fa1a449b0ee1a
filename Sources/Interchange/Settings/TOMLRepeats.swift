import Reading

/// A key, or the head of a table, that a TOML text has for another time. TOML forbids it, and its parser stops at the first.
struct TOMLRepeats {
    var path: [String]
    var isTable: Bool
    var place: Setting.Place
    var first: Setting.Place
    /// Its place among all that are repeated.
    var number: Int

    /// The key in its place, so that the rest of the text can be read: in letters that no configuration has.
    var hidden: String { "\(Self.mark)\(number)" }

    /// What hidden keys begin with.
    static let mark = "\u{F0000}"

    private var name: String { path.joined(separator: ".") }

    var setting: Setting { Setting.repeating(name, hidden: name + hidden, at: place, first: first) }

    func problem(_ file: String) -> PlanProblem {
        PlanProblem(
            file: file, line: place.line, column: place.column, field: name, rule: setting.ruleOfRepeat,
            fix: Setting.fixOfRepeat)
    }

    /// The text with the repeats hidden. Its lines stay where they are.
    static func hidden(_ repeats: [TOMLRepeats], in text: String) -> String {
        var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
        for one in repeats where lines.indices.contains(one.place.line - 1) {
            let line = lines[one.place.line - 1]
            let body = line.drop { $0.isWhitespace }
            if one.isTable {
                lines[one.place.line - 1] = "[\"\(one.hidden)\"]"
            } else if let (_, rest) = TOMLPlaces.keys(body, end: "=") {
                lines[one.place.line - 1] = "\"\(one.hidden)\" \(rest)"
            }
        }
        return lines.joined(separator: "\n")
    }
}

internal import Numbers

/// A JSON value whose maps keep the order of their keys.
indirect enum JSONText {
    case null
    case flag(Bool)
    case count(Int)
    case number(Double)
    case text(String)
    case list([JSONText])
    case map([(key: String, value: JSONText)])

    /// The value as lines, maps with a key a line.
    func written(indent: Int = 0) -> String {
        let inner = String(repeating: " ", count: indent + 2)
        switch self {
        case .map(let entries) where entries.isEmpty: return "{}"
        case .map(let entries):
            let lines = entries.map { "\(inner)\(Self.quoted($0.key)): \($0.value.written(indent: indent + 2))" }
            return "{\n\(lines.joined(separator: ",\n"))\n\(String(repeating: " ", count: indent))}"
        case .list(let items): return "[\(items.map { $0.written(indent: indent) }.joined(separator: ", "))]"
        case .null: return "null"
        case .flag(let flag): return "\(flag)"
        case .count(let count): return "\(count)"
        case .number(let number): return Self.written(number)
        case .text(let text): return Self.quoted(text)
        }
    }

    /// A finite number; JSON has no others.
    private static func written(_ number: Double) -> String {
        guard number.isFinite else { return "null" }
        return Int(exactly: number).map(String.init) ?? "\(number)"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                result += "\\u" + Figures.padded(String(scalar.value, radix: 16), to: 4)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// The entries of a JSON or YAML map while it is written.
struct JSONEntries {
    private(set) var entries: [(key: String, value: JSONText)] = []

    mutating func add(_ key: String, _ value: Int) { entries.append((key, .count(value))) }
    mutating func add(_ key: String, _ value: Double) { entries.append((key, .number(value))) }
    mutating func add(_ key: String, _ value: Bool) { entries.append((key, .flag(value))) }
    mutating func add(_ key: String, _ value: String) { entries.append((key, .text(value))) }
    mutating func add(_ key: String, _ value: JSONText) { entries.append((key, value)) }

    mutating func add(_ key: String, fill: (inout JSONEntries) -> Void) {
        var inner = JSONEntries()
        fill(&inner)
        entries.append((key, .map(inner.entries)))
    }

    var map: JSONText { .map(entries) }

    /// The map as YAML with nested maps, and comments above it.
    func yaml(header: [String]) -> String {
        var lines = PlainComment.lines(header)
        Self.render(entries, indent: "", into: &lines)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func render(_ entries: [(key: String, value: JSONText)], indent: String, into lines: inout [String])
    {
        for (key, value) in entries {
            switch value {
            case .map(let inner) where !inner.isEmpty:
                lines.append("\(indent)\(key):")
                render(inner, indent: indent + "  ", into: &lines)
            case .text(let text): lines.append("\(indent)\(key): \(PlanDraft.quoted(text))")
            case .number(let number):
                // YAML 1.1 reads 1e-05 as text without a point.
                let text = "\(number)"
                let parts = text.split(separator: "e")
                let isBare = parts.count == 2 && !parts[0].contains(".")
                lines.append("\(indent)\(key): \(isBare ? "\(parts[0]).0e\(parts[1])" : text)")
            default: lines.append("\(indent)\(key): \(value.written())")
            }
        }
    }
}

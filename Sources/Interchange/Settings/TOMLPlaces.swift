/// Where the keys of a TOML text stand: the parser itself keeps no places.
struct TOMLPlaces {
    private var places: [String: (line: Int, column: Int)] = [:]
    /// Heads of tables that stand there themselves, not only as the beginning of another's.
    private var tables: Set<String> = []
    /// Whether the lines belong to one of several tables of a list, which have the same keys.
    private var isListed = false
    /// Keys and heads of tables that stand there already.
    private(set) var repeats: [TOMLRepeats] = []

    init(_ text: String) {
        var section: [String] = []
        var open: Substring?
        var depth = 0
        var lists: Set<String> = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let isInside = open != nil || depth > 0
            let start = line.prefix { $0.isWhitespace }.count
            let body = line.dropFirst(start)
            if !isInside, body.hasPrefix("[") {
                let inner = body.drop { $0 == "[" }
                let head = Self.keys(inner, end: "]")?.keys
                section = head ?? []
                let own = section.joined(separator: ".")
                // Below a head that cannot be read nothing is known to be repeated.
                isListed =
                    body.hasPrefix("[[") || head == nil || isListed && lists.contains { own.hasPrefix($0 + ".") }
                if body.hasPrefix("[[") { lists.insert(own) }
                if !isListed, !section.isEmpty, !tables.insert(own).inserted {
                    noteRepeat(section, isTable: true, index + 1, start + 1)
                }
                note(section, index + 1, start + 1)
                continue
            }
            if !isInside, let (keys, _) = Self.keys(body, end: "="), !keys.isEmpty {
                let path = section + keys
                if !isListed, places[path.joined(separator: ".")] != nil {
                    noteRepeat(path, isTable: false, index + 1, start + 1)
                }
                note(path, index + 1, start + 1)
            }
            Self.scan(isInside ? Substring(line) : body, &open, &depth)
        }
    }

    private mutating func note(_ path: [String], _ line: Int, _ column: Int) {
        let name = path.joined(separator: ".")
        if places[name] == nil { places[name] = (line, column) }
    }

    private mutating func noteRepeat(_ path: [String], isTable: Bool, _ line: Int, _ column: Int) {
        guard let first = places[path.joined(separator: ".")] else { return }
        repeats.append(
            TOMLRepeats(
                path: path, isTable: isTable, place: Setting.Place(line: line, column: column),
                first: Setting.Place(line: first.line, column: first.column), number: repeats.count))
    }

    /// The place of a key, or of the nearest that holds it.
    func place(_ path: [String]) -> (line: Int, column: Int) {
        var path = path[...]
        while !path.isEmpty {
            if let place = places[path.joined(separator: ".")] { return place }
            path = path.dropLast()
        }
        return (1, 1)
    }

    /// Dotted keys before `end`; nil: the text does not begin with keys.
    static func keys(_ text: Substring, end: Character) -> (keys: [String], rest: Substring)? {
        var keys: [String] = []
        var current = ""
        var rest = text
        while let character = rest.first {
            if character == end { return (keys + (current.isEmpty ? [] : [current]), rest) }
            if character == "\"" || character == "'" {
                let inner = rest.dropFirst().prefix { $0 != character }
                current += inner
                rest = rest.dropFirst(inner.count + 1)
                guard !rest.isEmpty else { return nil }
            } else if character == "." {
                keys.append(current)
                current = ""
            } else if character == "#" {
                return nil
            } else if !character.isWhitespace {
                current.append(character)
            }
            rest = rest.dropFirst()
        }
        return nil
    }

    /// Follows strings and brackets over a line, so that lines inside them are not read as keys.
    private static func scan(_ line: Substring, _ open: inout Substring?, _ depth: inout Int) {
        var rest = line
        while let character = rest.first {
            if let quote = open {
                if rest.hasPrefix(quote) {
                    rest = rest.dropFirst(quote.count)
                    open = nil
                    continue
                }
                rest = rest.dropFirst(character == "\\" && quote.hasPrefix("\"") ? 2 : 1)
                continue
            }
            if character == "#" { return }
            if let quote = ["\"\"\"", "'''", "\"", "'"].first(where: rest.hasPrefix) {
                open = Substring(quote)
                rest = rest.dropFirst(quote.count)
                continue
            }
            if "[{".contains(character) { depth += 1 }
            if "]}".contains(character) { depth = max(0, depth - 1) }
            rest = rest.dropFirst()
        }
        // Strings of one line end with it.
        if open?.count == 1 { open = nil }
    }
}

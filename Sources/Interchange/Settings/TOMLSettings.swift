package import Reading
internal import TOMLKit

/// Settings of TOML files.
package enum TOMLSettings {
    /// The settings of a TOML text by dotted keys, with the places of their keys.
    /// - Throws: the mistake of the syntax, with line and column.
    package static func read(text: String, name: String) throws(PlanProblems) -> [Setting] {
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch {
            let place = (error as? TOMLParseError)?.source.begin
            let words = (error as? TOMLParseError)?.description ?? "cannot be read"
            throw PlanProblems([
                PlanProblem(
                    file: name, line: place?.line ?? 1, column: place?.column ?? 1, field: "",
                    rule: "is no TOML: \(words)")
            ])
        }
        let places = TOMLPlaces(text)
        var settings: [Setting] = []
        flatten(table, path: [], places: places, into: &settings)
        return settings.sorted { ($0.line, $0.column, $0.name) < ($1.line, $1.column, $1.name) }
    }

    private static func flatten(
        _ table: TOMLTable, path: [String], places: TOMLPlaces, into settings: inout [Setting]
    ) {
        guard path.count < 32 else { return }
        for key in table.keys {
            guard let value = table[key] else { continue }
            add(value, path: path + [key], places: places, into: &settings)
        }
    }

    private static func add(
        _ value: any TOMLValueConvertible, path: [String], places: TOMLPlaces, into settings: inout [Setting]
    ) {
        if let table = value.table { return flatten(table, path: path, places: places, into: &settings) }
        guard let found = self.value(value) else { return }
        let place = places.place(path)
        settings.append(
            Setting(name: path.joined(separator: "."), value: found, line: place.line, column: place.column))
    }

    private static func value(_ value: any TOMLValueConvertible) -> Setting.Value? {
        if let array = value.array { return .list(array.map { word($0) }) }
        return .word(word(value))
    }

    /// A value as one word; a list inside a list is its words between blanks.
    private static func word(_ value: any TOMLValueConvertible) -> String {
        if let text = value.string { return text }
        if let flag = value.bool { return "\(flag)" }
        if let count = value.int { return "\(count)" }
        if let number = value.double { return "\(number)" }
        if let array = value.array { return array.map { word($0) }.joined(separator: " ") }
        return value.debugDescription
    }
}

/// Where the keys of a TOML text stand: the parser itself keeps no places.
struct TOMLPlaces {
    private var places: [String: (line: Int, column: Int)] = [:]

    init(_ text: String) {
        var section: [String] = []
        var open: Substring?
        var depth = 0
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let isInside = open != nil || depth > 0
            let start = line.prefix { $0.isWhitespace }.count
            let body = line.dropFirst(start)
            if !isInside, body.hasPrefix("[") {
                let inner = body.drop { $0 == "[" }
                section = Self.keys(inner, end: "]")?.keys ?? []
                note(section, index + 1, start + 1)
                continue
            }
            if !isInside, let (keys, _) = Self.keys(body, end: "="), !keys.isEmpty {
                note(section + keys, index + 1, start + 1)
            }
            Self.scan(isInside ? Substring(line) : body, &open, &depth)
        }
    }

    private mutating func note(_ path: [String], _ line: Int, _ column: Int) {
        let name = path.joined(separator: ".")
        if places[name] == nil { places[name] = (line, column) }
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
    private static func keys(_ text: Substring, end: Character) -> (keys: [String], rest: Substring)? {
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

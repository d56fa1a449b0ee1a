package import Reading
internal import TOMLKit

/// Settings of TOML files.
package enum TOMLSettings {
    /// The settings of a TOML text by dotted keys, with the places of their keys.
    /// - Throws: the mistake of the syntax, with line and column.
    package static func read(text: String, name: String) throws(PlanProblems) -> [Setting] {
        let places = TOMLPlaces(text)
        var settings: [Setting] = []
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch {
            // The parser stops at the first key that is there already. Whatever else is wrong is found without them.
            let repeats = places.repeats
            guard !repeats.isEmpty else { throw problem(error, name: name) }
            do {
                table = try TOMLTable(string: TOMLRepeats.hidden(repeats, in: text))
            } catch {
                throw PlanProblems(repeats.map { $0.problem(name) } + problem(error, name: name).problems)
            }
            settings = repeats.map(\.setting)
        }
        flatten(table, path: [], places: places, into: &settings)
        return settings.sorted { ($0.line, $0.column, $0.name) < ($1.line, $1.column, $1.name) }
    }

    private static func problem(_ error: any Error, name: String) -> PlanProblems {
        let place = (error as? TOMLParseError)?.source.begin
        let words = (error as? TOMLParseError)?.description ?? "cannot be read"
        return PlanProblems([
            PlanProblem(
                file: name, line: place?.line ?? 1, column: place?.column ?? 1, field: "",
                rule: "is no TOML: \(words)")
        ])
    }

    /// Whether a text without a telling name looks like TOML: it has the head of a table, and a key with a blank on both sides
    /// of its `=`, which no shell takes for an assignment.
    static func looks(_ text: String) -> Bool {
        var (hasTable, hasKey) = (false, false)
        for line in text.split(whereSeparator: \.isNewline) {
            let plain = line.drop(while: \.isWhitespace)
            if plain.hasPrefix("--") || plain.hasPrefix("#!") { return false }
            hasTable = hasTable || table(plain) != nil
            hasKey = hasKey || plain.prefixMatch(of: #/[A-Za-z0-9_."-]+\s+=\s/#) != nil
        }
        return hasTable && hasKey
    }

    /// The name of the table whose head a line is, also of one that is not closed; nil: it is none. Tests of a shell have
    /// blanks behind their bracket.
    static func table(_ line: Substring) -> String? {
        guard line.hasPrefix("["), !line.hasPrefix("[[") else { return nil }
        let name = line.dropFirst().prefix { $0.isLetter || $0.isNumber || "_.-".contains($0) }
        let rest = line.dropFirst(name.count + 1).drop(while: \.isWhitespace)
        guard !name.isEmpty, rest.isEmpty || rest.hasPrefix("]") || rest.hasPrefix("#") else { return nil }
        return String(name)
    }

    private static func flatten(
        _ table: TOMLTable, path: [String], places: TOMLPlaces, into settings: inout [Setting]
    ) {
        guard path.count < 32 else { return }
        for key in table.keys {
            guard let value = table[key] else { continue }
            // A table whose head is repeated goes on where the first one ended; a repeated key says nothing.
            if key.hasPrefix(TOMLRepeats.mark), let repeated = places.repeats.first(where: { $0.hidden == key }) {
                if repeated.isTable, let inner = value.table {
                    flatten(inner, path: repeated.path, places: places, into: &settings)
                }
                continue
            }
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

import Reading

/// Finds where a text is no JSON as Python's own reader takes it: readers of YAML take more.
struct StrictJSON {
    private let letters: [Unicode.Scalar]
    private var next = 0
    private var depth = 0
    private var problem: (at: Int, rule: String)?

    /// The first mistake of a text; nil: it is JSON.
    static func problem(_ text: String, name: String) -> PlanProblem? {
        var reader = StrictJSON(text)
        reader.value()
        reader.skip()
        if reader.problem == nil, reader.next < reader.letters.count { reader.fail("goes on behind its end") }
        guard let (index, rule) = reader.problem else { return nil }
        let before = reader.letters.prefix(index)
        let line = before.count { $0 == "\n" } + 1
        let column = before.reversed().prefix { $0 != "\n" }.count + 1
        return PlanProblem(
            file: name, line: line, column: column, field: "", rule: rule, fix: "write the file as JSON requires")
    }

    private init(_ text: String) { letters = Array(text.unicodeScalars) }

    private var current: Unicode.Scalar? { next < letters.count ? letters[next] : nil }

    private mutating func fail(_ rule: String) {
        if problem == nil { problem = (min(next, letters.count), rule) }
    }

    private mutating func skip() {
        while let letter = current, [" ", "\n", "\r", "\t", "\u{FEFF}"].contains(letter) { next += 1 }
    }

    private mutating func value() {
        skip()
        depth += 1
        defer { depth -= 1 }
        guard problem == nil, depth < 512 else { return fail("nests too deeply") }
        switch current {
        case "{": items(close: "}", isMap: true)
        case "[": items(close: "]", isMap: false)
        case "\"": string()
        case nil: fail("ends in the middle")
        default: word()
        }
    }

    private mutating func items(close: Unicode.Scalar, isMap: Bool) {
        next += 1
        skip()
        if current == close {
            next += 1
            return
        }
        while problem == nil {
            skip()
            if isMap {
                guard current == "\"" else { return fail("has a key that is not in double quotes") }
                string()
                skip()
                guard current == ":" else { return fail("has a key without a colon behind it") }
                next += 1
            }
            value()
            guard problem == nil else { return }
            skip()
            if current == close {
                next += 1
                return
            }
            guard current == "," else {
                return fail(current == nil ? "ends in the middle" : "has no comma between two of its values")
            }
            let comma = next
            next += 1
            skip()
            if current == close {
                next = comma
                return fail("has a comma behind its last value, which JSON forbids")
            }
        }
    }

    private mutating func string() {
        next += 1
        while let letter = current, letter != "\"" {
            if letter == "\n" { return fail("has a string that its line does not end") }
            next += letter == "\\" ? 2 : 1
        }
        guard current != nil else { return fail("ends in the middle") }
        next += 1
    }

    private mutating func word() {
        let start = next
        while let letter = current, letter.properties.isAlphabetic || "+-.0123456789".unicodeScalars.contains(letter) {
            next += 1
        }
        let text = String(String.UnicodeScalarView(letters[start..<next]))
        if ["true", "false", "null", "NaN", "Infinity", "-Infinity"].contains(text) { return }
        if text.first.map({ $0.isNumber || $0 == "-" }) ?? false, Double(text) != nil { return }
        next = start
        fail(current == "#" || current == "/" ? "has a comment, which JSON forbids" : "has a value that is no JSON")
    }
}

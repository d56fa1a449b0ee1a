internal import Reading

/// A value of a JSON file with its place, so that a message can name file and key.
struct JSONEntry {
    let file: String
    /// Dotted path of the key; empty for the whole file.
    let path: String
    let value: JSONText

    /// Reads a file of JSON text.
    static func read(_ path: String) throws(PlanProblems) -> JSONEntry {
        let mapped = try MappedFile(path: path)
        return try mapped.withBytes { bytes throws(PlanProblems) in
            try parse(UnsafeRawBufferPointer(bytes), file: path)
        }
    }

    static func parse(_ text: UnsafeRawBufferPointer, file: String) throws(PlanProblems) -> JSONEntry {
        do {
            return JSONEntry(file: file, path: "", value: try JSONText.parse(text))
        } catch {
            let before = text.prefix(error.offset)
            let line = before.reduce(1) { $1 == 0x0A ? $0 + 1 : $0 }
            let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
            let column = before[start...].reduce(1) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 }
            throw PlanProblems([
                PlanProblem(file: file, line: line, column: column, field: "", rule: "is no JSON: \(error.reason)")
            ])
        }
    }

    /// What is wrong with this value.
    func problem(_ rule: String, fix: String = "") -> PlanProblems {
        PlanProblems([
            PlanProblem(file: file, field: path, value: value.isNull ? "" : value.shown, rule: rule, fix: fix)
        ])
    }

    /// The value under `key`; null where there is none.
    subscript(key: String) -> JSONEntry {
        JSONEntry(file: file, path: path.isEmpty ? key : "\(path).\(key)", value: value.value(of: key) ?? .null)
    }

    var isNull: Bool { value.isNull }

    /// The bytes of a text.
    func bytes() throws(PlanProblems) -> [UInt8] {
        guard case .text(let bytes) = value else { throw problem("must be a text") }
        return bytes
    }

    func text() throws(PlanProblems) -> String { String(decoding: try bytes(), as: UTF8.self) }

    /// A flag; `missing` where there is none.
    func flag(_ missing: Bool) throws(PlanProblems) -> Bool {
        switch value {
        case .null: return missing
        case .flag(let flag): return flag
        default: throw problem("must be true or false")
        }
    }

    /// A whole number of a range.
    func count(_ range: ClosedRange<Int>) throws(PlanProblems) -> Int {
        guard case .number(let number) = value, let count = Int(exactly: number), range.contains(count) else {
            throw problem("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return count
    }

    func list() throws(PlanProblems) -> [JSONEntry] {
        guard case .list(let values) = value else { throw problem("must be a list") }
        return values.enumerated().map { JSONEntry(file: file, path: "\(path)[\($0.offset)]", value: $0.element) }
    }

    /// The entries of a map in the order of the file.
    func map() throws(PlanProblems) -> [(key: [UInt8], value: JSONText)] {
        guard case .map(let entries) = value else { throw problem("must be a map") }
        return entries
    }

    /// Refuses keys that nobody reads: what they ask for would silently not be done.
    func onlyKnows(_ known: String...) throws(PlanProblems) {
        for (key, value) in try map() where !known.contains(where: { key.elementsEqual($0.utf8) }) {
            let name = String(decoding: key, as: UTF8.self)
            throw JSONEntry(file: file, path: path.isEmpty ? name : "\(path).\(name)", value: value).problem(
                "is not known here", fix: "known: " + known.joined(separator: ", "))
        }
    }
}

extension JSONText {
    var isNull: Bool { if case .null = self { true } else { false } }
}

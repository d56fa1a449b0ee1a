internal import Reading

/// Where a document ends in a text.
package enum DocumentRule: String, CaseIterable, Hashable, Sendable {
    /// Every line that is not empty.
    case lines
    /// Every line is a JSON map; its text stands under a key.
    case jsonl
    /// Every file.
    case file
    /// Lines without anything but white space stand between documents.
    case blankLines = "blank-lines"

    /// The next document at or behind `start`, and where to look for the one behind it; nil: there is none.
    func next(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> (document: Range<Int>, end: Int)? {
        switch self {
        case .file: return start < text.count ? (start..<text.count, text.count) : nil
        case .lines, .jsonl:
            var place = start
            while place < text.count {
                let line = Self.line(text, from: place)
                if !line.content.isEmpty { return (line.content, line.end) }
                place = line.end
            }
            return nil
        case .blankLines:
            var place = start
            var found: Range<Int>?
            while place < text.count {
                let line = Self.line(text, from: place)
                let isBlank = text[line.content].allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
                if isBlank, let found { return (found, line.end) }
                if !isBlank { found = (found?.lowerBound ?? place)..<line.content.upperBound }
                place = line.end
            }
            return found.map { ($0, text.count) }
        }
    }

    /// A line without its end, and where the next begins.
    private static func line(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> (content: Range<Int>, end: Int) {
        var end = start
        while end < text.count, text[end] != 0x0A { end += 1 }
        let content = end > start && text[end - 1] == 0x0D ? start..<end - 1 : start..<end
        return (content, min(text.count, end + 1))
    }
}

/// A place in one of the texts.
struct DocumentPlace {
    var file: MappedFile
    var range: Range<Int>

    func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        file.withBytes { body(UnsafeBufferPointer(rebasing: $0[range])) }
    }

    /// The text under a key of a line of JSON.
    func text(key: String) throws(PlanProblems) -> [UInt8] {
        func placed(_ column: Int?, _ rule: String, fix: String = "") -> PlanProblems {
            let line = file.withBytes { $0[..<range.lowerBound].reduce(1) { $1 == 0x0A ? $0 + 1 : $0 } }
            return PlanProblems([
                PlanProblem(file: file.path, line: line, column: column, field: "", rule: rule, fix: fix)
            ])
        }
        let value: JSONText
        do throws(JSONText.Failure) {
            value = try file.withBytes { text throws(JSONText.Failure) in
                try JSONText.parse(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: text[range])))
            }
        } catch {
            throw placed(error.offset + 1, "is no JSON: \(error.reason)")
        }
        guard case .text(let text)? = value.value(of: key) else {
            throw placed(nil, "has no text under '\(key)'", fix: "--key names another key")
        }
        return text
    }
}

/// Text wrapped into lines of a given width.
package enum Wrapped {
    /// `text` with lines longer than `width` broken between words; unchanged where `width` is nil. A continuation is
    /// indented to the text after the line's label, as in `  Layout  tensor 4`. Rows of tables are not broken.
    package static func fitted(_ text: String, width: Int?) -> String {
        guard let width else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [String] in
            // Colour codes take no columns.
            guard String(line).replacing(#/\u{1B}\[[0-9;]*m/#, with: "").count > width else { return [String(line)] }
            let label = line.prefixMatch(of: #/ *(?:\S+ {2,})?/#).map { String($0.0) } ?? ""
            // A row of a table stays as it is.
            guard !line.dropFirst(label.count).contains("  ") else { return [String(line)] }
            let hangs = label.allSatisfy { $0 == " " } ? label.count + 2 : label.count
            return lines(
                String(line.dropFirst(label.count)), width: width, first: label,
                rest: String(repeating: " ", count: min(hangs, width / 2)))
        }.joined(separator: "\n")
    }

    /// `text` broken between words, with `first` before its first line and `rest` before the others; one line where
    /// `width` is nil.
    package static func lines(_ text: String, width: Int?, first: String = "", rest: String = "  ") -> [String] {
        guard let width, first.count + text.count > width else { return [first + text] }
        var lines: [String] = []
        var line = first
        var isEmpty = true
        for word in text.split(separator: " ") {
            if !isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                (line, isEmpty) = (rest, true)
            }
            line += (isEmpty ? "" : " ") + word
            isEmpty = false
        }
        return lines + [line]
    }

    /// The wrapped lines of several texts.
    package static func lines(_ texts: [String], width: Int?) -> [String] { texts.flatMap { lines($0, width: width) } }
}

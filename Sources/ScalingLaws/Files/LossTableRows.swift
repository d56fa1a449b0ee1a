internal import Reading

/// The rows of a table in text, with the place of every cell.
struct LossTableRows: Sequence, IteratorProtocol {
    struct Cell {
        var text: String
        /// Characters from the beginning of the line, counted from 1.
        var column: Int
    }

    struct Row {
        /// Counted from 1.
        var line: Int
        var cells: [Cell]
    }

    private var lines: [Substring]
    private var place = 0
    private var separator: Character?

    init(_ text: String) {
        lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
        // A mark of the byte order is no part of the first name.
        if let first = lines.first, first.hasPrefix("\u{FEFF}") { lines[0] = first.dropFirst() }
    }

    /// The next row; empty lines and those that begin with # are passed over.
    mutating func next() -> Row? {
        while place < lines.count {
            let line = lines[place]
            place += 1
            let text = String(line).trimmed
            guard !text.isEmpty, !text.hasPrefix("#") else { continue }
            let separator = separator ?? Self.separator(of: line)
            self.separator = separator
            return Row(line: place, cells: Self.cells(line, separator))
        }
        return nil
    }

    private static func separator(of line: Substring) -> Character {
        for separator: Character in ["\t", ";"] where line.contains(separator) { return separator }
        return ","
    }

    /// Cells between separators; quotes hold a separator together, and "" in them is a quote.
    private static func cells(_ line: Substring, _ separator: Character) -> [Cell] {
        var cells: [Cell] = []
        var (text, start, isQuoted) = ("", 1, false)
        for (offset, character) in line.enumerated() {
            if character == "\"" {
                isQuoted.toggle()
            } else if character == separator, !isQuoted {
                cells.append(Cell(text: text.trimmed, column: start))
                (text, start) = ("", offset + 2)
            } else {
                text.append(character)
            }
        }
        cells.append(Cell(text: text.trimmed, column: start))
        return cells
    }
}

/// Text of which every character knows its line and column.
struct PlacedText: Hashable {
    struct Letter: Hashable {
        var character: Character
        var line: Int
        var column: Int
    }

    var letters: [Letter] = []

    init() {}

    init(_ text: String) {
        var (line, column) = (1, 1)
        letters.reserveCapacity(text.utf8.count)
        for character in text {
            letters.append(Letter(character: character, line: line, column: column))
            if character.isNewline {
                (line, column) = (line + 1, 1)
            } else {
                column += 1
            }
        }
    }

    /// A text whose every character is where something else stands.
    init(_ text: String, at place: (line: Int, column: Int)) {
        letters = text.map { Letter(character: $0, line: place.line, column: place.column) }
    }

    var string: String { String(letters.map(\.character)) }
    var isEmpty: Bool { letters.isEmpty }
    var place: (line: Int, column: Int) { letters.first.map { ($0.line, $0.column) } ?? (1, 1) }

    /// The words between blanks.
    var words: [PlacedText] {
        letters.split { $0.character.isWhitespace }.map { part in
            var text = PlacedText()
            text.letters = Array(part)
            return text
        }
    }

    static func += (text: inout PlacedText, more: PlacedText) { text.letters += more.letters }
}

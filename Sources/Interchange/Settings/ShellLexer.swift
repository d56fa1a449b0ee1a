/// Cuts a shell script into words and operators, as far as scripts that start training need it.
struct ShellLexer {
    /// A part of a word.
    enum Fragment: Hashable {
        case text(PlacedText)
        /// `$NAME`, `${NAME…}`: what stands between the braces.
        case parameter(String, isQuoted: Bool, line: Int, column: Int)
        case arithmetic(String, line: Int, column: Int)
        /// `$(…)`: a command whose output stands there.
        case command(PlacedText, isQuoted: Bool, line: Int, column: Int)
    }

    enum Token: Hashable {
        case word([Fragment], isQuoted: Bool, line: Int, column: Int)
        case symbol(String)
        /// The lines of a here-document.
        case document([Fragment], line: Int, column: Int)
        case newline

        /// The line of a word.
        var line: Int? {
            if case .word(_, _, let line, _) = self { line } else { nil }
        }

        /// The word's text if it has no parameters.
        var text: String? {
            guard case .word(let fragments, _, _, _) = self else { return nil }
            var text = ""
            for fragment in fragments {
                guard case .text(let part) = fragment else { return nil }
                text += part.string
            }
            return text
        }
    }

    private let letters: [PlacedText.Letter]
    private var next = 0
    private(set) var tokens: [Token] = []
    /// Here-documents whose lines follow the line that is read.
    private var pending: [(index: Int, mark: String, isLiteral: Bool)] = []

    init(_ text: String) { self.init(PlacedText(text)) }

    /// A text that stands in a script.
    init(_ text: PlacedText) {
        letters = text.letters
        run()
    }

    /// The parts of a text that is filled in as if it stood between double quotes.
    private init(quoted text: PlacedText, parts: inout [Fragment]) {
        letters = text.letters
        var rest = PlacedText()
        quoted(until: nil, fragments: &parts, text: &rest)
        if !rest.isEmpty { parts.append(.text(rest)) }
    }

    /// A text that another file holds: all of it stands where the script names that file.
    init(_ text: String, at place: (line: Int, column: Int)) {
        letters = PlacedText(text, at: place).letters
        run()
    }

    private var current: Character? { next < letters.count ? letters[next].character : nil }
    private func peek(_ distance: Int) -> Character? {
        next + distance < letters.count ? letters[next + distance].character : nil
    }
    private var place: (line: Int, column: Int) {
        let letter = next < letters.count ? letters[next] : letters.last
        return letter.map { ($0.line, $0.column) } ?? (1, 1)
    }

    private mutating func run() {
        while let character = current {
            if character == "\\", peek(1)?.isNewline == true {
                next += 2
            } else if character.isNewline {
                next += 1
                readDocuments()
                tokens.append(.newline)
            } else if character.isWhitespace {
                next += 1
            } else if character == "#" {
                while let character = current, !character.isNewline { next += 1 }
            } else if ";&|()<>".contains(character) {
                symbol(character)
            } else {
                word()
            }
        }
        tokens.append(.newline)
    }

    private mutating func symbol(_ character: Character) {
        var text = String(character)
        next += 1
        if let following = current, following == character, "&|;<>".contains(character) {
            text.append(following)
            next += 1
        }
        if text == "<<" {
            if current == "<" {
                next += 1
                return tokens.append(.symbol("<<<"))
            }
            return beginDocument()
        }
        // Only `(`, `)` and what ends a command matter; the words behind a redirection are dropped by the interpreter.
        tokens.append(.symbol(text))
    }

    /// Reads the mark behind `<<`. The document itself begins on the next line.
    private mutating func beginDocument() {
        let start = place
        if current == "-" { next += 1 }
        while let character = current, character == " " || character == "\t" { next += 1 }
        var (mark, isLiteral) = ("", false)
        while let character = current, !character.isWhitespace, !";&|()<>".contains(character) {
            if "'\"\\".contains(character) { isLiteral = true } else { mark.append(character) }
            next += 1
        }
        pending.append((tokens.count, mark, isLiteral))
        tokens.append(.document([], line: start.line, column: start.column))
    }

    /// Reads the documents that begin here.
    private mutating func readDocuments() {
        for document in pending {
            var body = PlacedText()
            while next < letters.count {
                let start = next
                while let character = current, !character.isNewline { next += 1 }
                let line = letters[start..<next]
                if next < letters.count { next += 1 }
                if String(line.map(\.character)).drop(while: \.isWhitespace) == document.mark { break }
                body.letters += letters[start..<next]
            }
            var parts: [Fragment] = document.isLiteral ? [.text(body)] : []
            if !document.isLiteral { _ = ShellLexer(quoted: body, parts: &parts) }
            guard case .document(_, let line, let column) = tokens[document.index] else { continue }
            tokens[document.index] = .document(parts, line: line, column: column)
        }
        pending = []
    }

    /// Reads what stands between double quotes, up to `end`, or to the end of the text.
    private mutating func quoted(until end: Character?, fragments: inout [Fragment], text: inout PlacedText) {
        func add(_ fragment: Fragment, _ fragments: inout [Fragment], _ text: inout PlacedText) {
            if !text.isEmpty { fragments.append(.text(text)) }
            text = PlacedText()
            fragments.append(fragment)
        }
        while let character = current, character != end {
            if character == "\\", peek(1)?.isNewline == true {
                next += 2
            } else if character == "\\", let following = peek(1), "\"\\$`".contains(following) {
                text.letters.append(letters[next + 1])
                next += 2
            } else if character == "$", let fragment = parameter(isQuoted: true) {
                add(fragment, &fragments, &text)
            } else if character == "`" {
                add(backquoted(isQuoted: true), &fragments, &text)
            } else {
                text.letters.append(letters[next])
                next += 1
            }
        }
    }

    /// A command between backquotes.
    private mutating func backquoted(isQuoted: Bool) -> Fragment {
        let start = place
        var body = PlacedText()
        next += 1
        while let character = current, character != "`" {
            body.letters.append(letters[next])
            next += 1
        }
        next += 1
        return .command(body, isQuoted: isQuoted, line: start.line, column: start.column)
    }

    private mutating func word() {
        let start = place
        var fragments: [Fragment] = []
        var text = PlacedText()
        var isQuoted = false
        func add(_ fragment: Fragment) {
            if !text.isEmpty { fragments.append(.text(text)) }
            text = PlacedText()
            fragments.append(fragment)
        }
        scan: while let character = current {
            switch character {
            case "\\":
                if peek(1)?.isNewline == true {
                    next += 2
                    continue scan
                }
                next += 1
                if next < letters.count { text.letters.append(letters[next]) }
                next += 1
            case "'":
                isQuoted = true
                next += 1
                while let character = current, character != "'" {
                    text.letters.append(letters[next])
                    next += 1
                }
                next += 1
            case "\"":
                isQuoted = true
                next += 1
                quoted(until: "\"", fragments: &fragments, text: &text)
                next += 1
            case "$":
                if let fragment = parameter(isQuoted: false) {
                    add(fragment)
                } else {
                    text.letters.append(letters[next])
                    next += 1
                }
            case "`": add(backquoted(isQuoted: false))
            case _ where character.isWhitespace || ";&|<>)".contains(character): break scan
            case "(":
                // The bracket of `NAME=(` begins a list.
                break scan
            default:
                text.letters.append(letters[next])
                next += 1
            }
        }
        if !text.isEmpty { fragments.append(.text(text)) }
        tokens.append(.word(fragments, isQuoted: isQuoted, line: start.line, column: start.column))
    }

    /// What stands behind `$`; nil: nothing that begins a parameter.
    private mutating func parameter(isQuoted: Bool) -> Fragment? {
        let start = place
        switch peek(1) {
        case "(" where peek(2) == "(":
            next += 3
            let text = upTo(depth: 2, open: "(", close: ")")
            return .arithmetic(String(text.dropLast()), line: start.line, column: start.column)
        case "(":
            next += 2
            let first = next
            _ = upTo(depth: 1, open: "(", close: ")")
            var body = PlacedText()
            body.letters = Array(letters[min(first, letters.count)..<max(min(first, letters.count), next - 1)])
            return .command(body, isQuoted: isQuoted, line: start.line, column: start.column)
        case "{":
            next += 2
            let text = upTo(depth: 1, open: "{", close: "}")
            return .parameter(text, isQuoted: isQuoted, line: start.line, column: start.column)
        case let character?
        where character.isLetter || character == "_" || character.isNumber || "@*#?".contains(character):
            next += 1
            var name = ""
            if !(character.isLetter || character == "_") {
                name = String(character)
                next += 1
            } else {
                while let character = current, character.isLetter || character.isNumber || character == "_" {
                    name.append(character)
                    next += 1
                }
            }
            return .parameter(name, isQuoted: isQuoted, line: start.line, column: start.column)
        default: return nil
        }
    }

    private mutating func upTo(depth: Int, open: Character, close: Character) -> String {
        var (depth, text) = (depth, "")
        while let character = current {
            next += 1
            if character == open { depth += 1 }
            if character == close { depth -= 1 }
            if depth == 0 { break }
            text.append(character)
        }
        return text
    }
}

/// Cuts a shell script into words and operators, as far as scripts that start training need it.
struct ShellLexer {
    /// A part of a word.
    enum Fragment: Hashable {
        case text(PlacedText)
        /// `$NAME`, `${NAME…}`: what stands between the braces.
        case parameter(String, isQuoted: Bool, line: Int, column: Int)
        case arithmetic(String, line: Int, column: Int)
        /// A command whose output is not known.
        case command
    }

    enum Token: Hashable {
        case word([Fragment], isQuoted: Bool, line: Int, column: Int)
        case symbol(String)
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

    init(_ text: String) {
        letters = PlacedText(text).letters
        run()
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
                tokens.append(.newline)
                next += 1
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
        if text == "<<" { skipDocument() }
        // Only `(`, `)` and what ends a command matter; the words behind a redirection are dropped by the interpreter.
        tokens.append(.symbol(text))
    }

    /// Skips the lines of a here-document.
    private mutating func skipDocument() {
        if current == "-" || current == "<" { next += 1 }
        var mark = ""
        while let character = current, !character.isNewline {
            if !"'\" ".contains(character) { mark.append(character) } else if character == " ", !mark.isEmpty { break }
            next += 1
        }
        while let character = current, !character.isNewline {
            _ = character
            next += 1
        }
        while next < letters.count {
            next += 1
            var line = ""
            while let character = current, !character.isNewline {
                line.append(character)
                next += 1
            }
            if line.drop(while: \.isWhitespace) == mark { return }
        }
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
                while let character = current, character != "\"" {
                    if character == "\\", peek(1)?.isNewline == true {
                        next += 2
                    } else if character == "\\", let following = peek(1), "\"\\$`".contains(following) {
                        text.letters.append(letters[next + 1])
                        next += 2
                    } else if character == "$", let fragment = parameter(isQuoted: true) {
                        add(fragment)
                    } else {
                        text.letters.append(letters[next])
                        next += 1
                    }
                }
                next += 1
            case "$":
                if let fragment = parameter(isQuoted: false) {
                    add(fragment)
                } else {
                    text.letters.append(letters[next])
                    next += 1
                }
            case "`":
                next += 1
                while let character = current, character != "`" {
                    _ = character
                    next += 1
                }
                next += 1
                add(.command)
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
            _ = upTo(depth: 1, open: "(", close: ")")
            return .command
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

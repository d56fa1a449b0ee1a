/// A word, a number or a sign of Swift source.
struct Token: Hashable {
    let text: String
    let line: Int
    /// Whether the next token follows without a blank, as the colon does behind an argument label.
    var touchesNext = false

    /// Whether this is a name or a keyword.
    var isWord: Bool { text.first.map { $0.isLetter || $0 == "_" } ?? false }
    /// Whether this is a word that begins as types do.
    var isCapitalised: Bool { text.first?.isUppercase ?? false }
}

/// Cuts Swift source into tokens. Comments and what string literals spell out are left out; what a literal interpolates is
/// code like any other.
struct Tokenizer {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var tokens: [Token] = []
    private var lastEnd = -1

    static func tokens(of text: String) -> [Token] {
        var tokenizer = Tokenizer(text)
        tokenizer.readCode(inInterpolation: false)
        return tokenizer.tokens
    }

    private init(_ text: String) { bytes = Array(text.utf8) }

    private func byte(_ offset: Int = 0) -> UInt8 {
        let index = position + offset
        return index < bytes.count ? bytes[index] : 0
    }

    private func follows(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { wanted in
            position + wanted.count <= bytes.count && bytes[position..<position + wanted.count].elementsEqual(wanted)
        }
    }

    private mutating func skip(_ count: Int = 1) {
        for _ in 0..<count where position < bytes.count {
            if bytes[position] == UInt8(ascii: "\n") { line += 1 }
            position += 1
        }
    }

    /// Adds the token that ends before `end`; a word in backticks stands without them.
    private mutating func take(to end: Int) {
        if lastEnd == position, !tokens.isEmpty { tokens[tokens.count - 1].touchesNext = true }
        let text = String(decoding: bytes[position..<end], as: UTF8.self)
        let word = text.count > 2 && text.hasPrefix("`") ? String(text.dropFirst().dropLast()) : text
        tokens.append(Token(text: word, line: line))
        position = end
        lastEnd = end
    }

    private mutating func readCode(inInterpolation: Bool) {
        var depth = 1
        while position < bytes.count {
            if follows("//") {
                while position < bytes.count, byte() != UInt8(ascii: "\n") { skip() }
            } else if follows("/*") {
                skipBlockComment()
            } else if let hashes = openingOfString() {
                readString(hashes: hashes)
            } else if byte() <= UInt8(ascii: " ") {
                skip()
            } else {
                if inInterpolation, byte() == UInt8(ascii: "(") { depth += 1 }
                if inInterpolation, byte() == UInt8(ascii: ")") { depth -= 1 }
                take(to: endOfToken())
                if depth == 0 { return }
            }
        }
    }

    private func endOfToken() -> Int {
        func end(from start: Int, while belongs: (UInt8) -> Bool) -> Int {
            var index = start
            while index < bytes.count, belongs(bytes[index]) { index += 1 }
            return index
        }
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        func isWord(_ byte: UInt8) -> Bool {
            isDigit(byte) || byte == UInt8(ascii: "_") || byte >= 128
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 32)
        }
        let first = byte()
        if first == UInt8(ascii: "`") { return end(from: position + 1, while: { $0 != UInt8(ascii: "`") }) + 1 }
        if first == UInt8(ascii: "$") { return end(from: position + 1, while: isWord) }
        if first == UInt8(ascii: ".") { return end(from: position, while: { $0 == UInt8(ascii: ".") }) }
        if isDigit(first) {
            let whole = end(from: position, while: isWord)
            let hasFraction = whole + 1 < bytes.count && bytes[whole] == UInt8(ascii: ".") && isDigit(bytes[whole + 1])
            return hasFraction ? end(from: whole + 1, while: isWord) : whole
        }
        return isWord(first) ? end(from: position, while: isWord) : position + 1
    }

    private mutating func skipBlockComment() {
        var level = 0
        repeat {
            if follows("/*") {
                level += 1
                skip(2)
            } else if follows("*/") {
                level -= 1
                skip(2)
            } else {
                skip()
            }
        } while level > 0 && position < bytes.count
    }

    /// How many # open the string literal that begins here; nil where none does.
    private func openingOfString() -> Int? {
        var hashes = 0
        while byte(hashes) == UInt8(ascii: "#") { hashes += 1 }
        return byte(hashes) == UInt8(ascii: "\"") ? hashes : nil
    }

    private mutating func readString(hashes: Int) {
        skip(hashes)
        let quotes = follows("\"\"\"") ? 3 : 1
        skip(quotes)
        func closes() -> Bool {
            (0..<quotes).allSatisfy { byte($0) == UInt8(ascii: "\"") }
                && (0..<hashes).allSatisfy { byte(quotes + $0) == UInt8(ascii: "#") }
        }
        func escapes() -> Bool {
            byte() == UInt8(ascii: "\\") && (0..<hashes).allSatisfy { byte(1 + $0) == UInt8(ascii: "#") }
        }
        while position < bytes.count {
            if closes() {
                skip(quotes + hashes)
                return
            }
            if escapes() {
                skip(1 + hashes)
                if byte() == UInt8(ascii: "(") {
                    take(to: position + 1)
                    readCode(inInterpolation: true)
                } else {
                    skip()
                }
            } else if quotes == 1, byte() == UInt8(ascii: "\n") {
                return
            } else {
                skip()
            }
        }
    }
}

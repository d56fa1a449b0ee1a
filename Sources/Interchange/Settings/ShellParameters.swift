extension ShellScript {
    /// The words that `$NAME` or `${NAME…}` stands for.
    mutating func parameter(_ text: String, at place: (line: Int, column: Int)) -> [PlacedText] {
        var name = String(text.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
        if name.isEmpty, let first = text.first { name = String(first) }
        var rest = text.dropFirst(name.count)
        for suffix in ["[@]", "[*]"] where rest.hasPrefix(suffix) { rest = rest.dropFirst(suffix.count) }
        var value = variables[name]
        decisions.raise(gaps[name] ?? [])
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            let key = rest[rest.index(after: rest.startIndex)..<end]
            guard let index = Int(key) ?? variables[String(key.drop { $0 == "$" })]?.first.flatMap({ Int($0.string) })
            else { return unknown(text, at: place) }
            value = value.map { index >= 0 && index < $0.count ? [$0[index]] : [] }
            rest = rest[rest.index(after: end)...]
        }
        let isSet = value.map { !$0.allSatisfy(\.isEmpty) } ?? false
        if rest.hasPrefix(":+") || rest.hasPrefix("+") {
            if value == nil { decisions.isOpen = true }
            guard rest.hasPrefix(":") ? isSet : value != nil else { return [] }
            return word(String(rest.drop { ":+".contains($0) }), at: place)
        }
        if !isSet, rest.hasPrefix(":-") || rest.hasPrefix("-") || rest.hasPrefix(":=") || rest.hasPrefix("=") {
            // Without the colon, an empty value stays.
            if !rest.hasPrefix(":"), let value { return value }
            let fallback = String(rest.dropFirst(rest.hasPrefix(":") ? 2 : 1))
            decisions.isOpen = true
            decisions.defaults.append((name, fallback, place))
            return word(fallback, at: place)
        }
        if rest.isEmpty || [":-", "-", ":=", "=", ":?", "?"].contains(where: rest.hasPrefix) {
            guard let value else {
                decisions.isOpen = true
                return []
            }
            budget -= value.reduce(0) { $0 + $1.letters.count }
            return budget > 0 ? value : []
        }
        guard let first = rest.first, first == "#" || first == "%", !name.isEmpty, name != "#", let value else {
            return unknown(text, at: place)
        }
        let isLong = rest.dropFirst().first == first
        let pattern = word(String(rest.dropFirst(isLong ? 2 : 1)), at: place).map(\.string).joined(separator: " ")
        budget -= value.reduce(0) { $0 + $1.letters.count }
        guard budget > 0 else { return [] }
        return value.map { cut($0, pattern, fromFront: first == "#", isLong: isLong) }
    }

    /// A text without the beginning or the end that a pattern matches.
    private mutating func cut(_ text: PlacedText, _ pattern: String, fromFront: Bool, isLong: Bool) -> PlacedText {
        let letters = text.letters
        guard letters.count < 4096 else { return text }
        let lengths = isLong ? Array((0...letters.count).reversed()) : Array(0...letters.count)
        for length in lengths {
            let part = fromFront ? letters.prefix(length) : letters.suffix(length)
            guard ShellPattern.matches(String(part.map(\.character)), pattern) else { continue }
            var result = PlacedText()
            result.letters = Array(fromFront ? letters.dropFirst(length) : letters.dropLast(length))
            return result
        }
        return text
    }

    private mutating func unknown(_ text: String, at place: (line: Int, column: Int)) -> [PlacedText] {
        decisions.isOpen = true
        decisions.raise([.init(line: place.line, what: Self.lost("${\(text.prefix(40))}"))])
        return []
    }

    /// The words behind an operator of a parameter, filled in.
    private mutating func word(_ text: String, at place: (line: Int, column: Int)) -> [PlacedText] {
        guard depth < Self.deepest else { return [] }
        depth += 1
        defer { depth -= 1 }
        var words: [PlacedText] = []
        for case .word(let fragments, _, _, _) in ShellLexer(text, at: place).tokens {
            if !words.isEmpty { words.append(PlacedText(" ", at: place)) }
            words += fragments.map { joined($0) }
        }
        var whole = PlacedText()
        for word in words { whole += word }
        return whole.isEmpty ? [] : [whole]
    }
}

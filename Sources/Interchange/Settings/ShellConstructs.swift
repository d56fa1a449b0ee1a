internal import Reading

extension ShellScript {
    static func lost(_ what: String) -> String { "\(what) is not worked out; what it sets is not in the plan" }
    static func once(_ what: String) -> String { "\(what) is not worked out: what it holds is read as if it ran once" }

    /// Goes on with a file's statements, as if they stood in its place. A path that begins with the output of a command, as
    /// `$(dirname $0)/arguments.sh` does, is looked for beside the script.
    mutating func source(_ path: String, at place: (line: Int, column: Int)) {
        guard let folder, sourceable > 0 else { return }
        sourceable -= 1
        let beside = folder + path.drop { $0 == "/" }
        for candidate in path.hasPrefix("/") ? [path, beside] : [beside] {
            guard NeighbourFile.isFile(candidate), let text = try? YAMLFile.text(path: candidate),
                text.utf8.count <= Self.longestSourced
            else { continue }
            tokens.insert(contentsOf: ShellLexer(text, at: place).tokens + [.newline], at: next)
            return
        }
    }

    /// Statements up to `}` or `)`.
    mutating func group(until end: String, isTaken: Bool) { group(isTaken: isTaken) { $0.text == end } }
    mutating func group(until end: ShellLexer.Token, isTaken: Bool) {
        if next + 1 < tokens.count, tokens[next + 1] == .symbol("(") {
            let line = tokens[next...].lazy.compactMap(\.line).first ?? 1
            if isTaken { decisions.skip(Self.lost("(( … ))"), line: line) }
            while let token = current, token != .symbol(")") && token != .newline { next += 1 }
            while current == .symbol(")") { next += 1 }
            succeeded = nil
            return
        }
        // What a subshell sets is gone behind it.
        let (kept, known) = (variables, gaps)
        group(isTaken: isTaken) { $0 == end }
        (variables, gaps) = (kept, known)
    }

    private mutating func group(isTaken: Bool, isEnd: (ShellLexer.Token) -> Bool) {
        next += 1
        guard depth < Self.deepest else { return }
        depth += 1
        defer { depth -= 1 }
        while let token = current {
            if isEnd(token) {
                next += 1
                return
            }
            statement(isTaken: isTaken)
        }
    }

    /// Text that a here-document or a test holds, filled in.
    mutating func text(of fragments: [ShellLexer.Fragment], at place: (line: Int, column: Int)) -> PlacedText {
        var whole = PlacedText()
        for fragment in fragments { whole += joined(fragment) }
        while whole.letters.last?.character.isNewline == true { whole.letters.removeLast() }
        return whole
    }

    /// What `$(…)` prints, where that is a here-document or words.
    mutating func output(of command: PlacedText, line: Int) -> [PlacedText] {
        var tokens = ShellLexer(command).tokens.filter { $0 != .newline }
        let program = tokens.first?.text
        if !tokens.isEmpty { tokens.removeFirst() }
        if program == "cat", tokens.count == 1, case .document(let fragments, let line, let column) = tokens[0] {
            return [text(of: fragments, at: (line, column))]
        }
        let isPlain = tokens.allSatisfy {
            if case .word = $0 { return $0.text?.hasPrefix("-n") != true && $0.text != "-e" }
            return false
        }
        if program == "echo", isPlain, depth < Self.deepest {
            depth += 1
            defer { depth -= 1 }
            var whole = PlacedText()
            for case .word(let fragments, _, _, _) in tokens {
                for word in expand(fragments) {
                    if !whole.isEmpty { whole += PlacedText(" ", at: word.place) }
                    whole += word
                }
            }
            return [whole]
        }
        decisions.isOpen = true
        let words = String(command.string.prefix(30)).split(whereSeparator: \.isNewline).first ?? ""
        decisions.raise([
            .init(line: line, what: "the output of $(\(words)) is not known, and is not in the plan")
        ])
        return []
    }

    /// Commands of the shell that change variables.
    /// - Returns: whether it is one.
    mutating func builtin(_ words: Command, document: [PlacedText]?, line: Int) -> Bool {
        let name = words[0].string
        switch name {
        case "unset":
            for word in words.dropFirst() {
                (variables[word.string], gaps[word.string]) = (nil, nil)
            }
        case "eval": decisions.skip(Self.lost("eval"), line: line)
        case "read", "mapfile", "readarray":
            guard words.count > 1, let last = words.last else { return true }
            if name == "read", let document {
                variables[last.string] = document
                gaps[last.string] = decisions.raised
            } else {
                gaps[last.string, default: []].append(.init(line: line, what: Self.lost(name)))
            }
        case "set":
            guard words.count > 1, words[1].string == "--" else { return true }
            position(Array(words.dropFirst(2)))
        case "shift":
            position(Array((variables["@"] ?? []).dropFirst(words.count > 1 ? max(0, Int(words[1].string) ?? 1) : 1)))
        default:
            let target = words[0].string.prefix { $0 != "=" }
            guard target.hasSuffix("]") || target.hasSuffix("]+"), let open = target.firstIndex(of: "["),
                words[0].string.contains("="), target[..<open].allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }),
                open > target.startIndex
            else { return false }
            decisions.skip(Self.lost("\(target)=…"), line: line)
        }
        return true
    }

    /// Sets `$@`, `$1` and those behind it.
    private mutating func position(_ words: [PlacedText]) {
        for name in variables.keys where Int(name) != nil { variables[name] = nil }
        (variables["@"], variables["*"]) = (words, words)
        for (index, word) in words.enumerated() { variables["\(index + 1)"] = [word] }
        gaps["@"] = decisions.raised
    }

    /// Whether a test of its own holds, and whether it is one that can be worked out at all.
    mutating func outcome(_ words: [String]) -> (holds: Bool, isKnown: Bool) {
        var words = words
        var isOther = false
        while words.first == "!" {
            isOther.toggle()
            words.removeFirst()
        }
        guard let first = words.first, ["[", "[[", "test", "true", "false"].contains(first) else {
            return (true, false)
        }
        var (result, operation, part): (Bool?, String, [String]) = (nil, "", [])
        for word in words.dropFirst(first == "true" || first == "false" ? 0 : 1) + ["&&"] {
            guard first == "[[" && (word == "&&" || word == "||") || word == "&&" else {
                part.append(word)
                continue
            }
            let holds = decided([first == "true" || first == "false" ? "test" : first] + part)
            result = result.map { operation == "||" ? $0 || holds : $0 && holds } ?? holds
            (operation, part) = (word, [])
        }
        return ((result ?? false) != isOther, true)
    }

    /// `case … esac`: the first branch whose pattern the word matches.
    mutating func choice(isTaken: Bool) {
        let line = current?.line ?? 1
        next += 1
        guard depth < Self.deepest else { return }
        depth += 1
        let (raised, wasOpen) = (decisions.raised, decisions.isOpen)
        (decisions.raised, decisions.isOpen) = ([], false)
        defer {
            depth -= 1
            (decisions.raised, decisions.isOpen) = (raised, wasOpen || decisions.isOpen)
        }
        var word = ""
        if case .word(let fragments, _, _, _)? = current {
            word = fragments.map { joined($0).string }.joined()
            next += 1
        }
        let isOpen = decisions.isOpen || !decisions.raised.isEmpty
        while let token = current, token.text != "in" {
            _ = token
            next += 1
        }
        next += 1
        var taken: String?
        while let token = current {
            if token.text == "esac" {
                next += 1
                break
            }
            guard case .word = token else {
                next += 1
                continue
            }
            // The patterns of a branch.
            var patterns: [String] = []
            while let token = current, token != .symbol(")") {
                if case .word(let fragments, _, _, _) = token {
                    patterns.append(fragments.map { joined($0).string }.joined())
                }
                next += 1
            }
            next += 1
            let matches = taken == nil && patterns.contains { ShellPattern.matches(word, $0) }
            if matches { taken = patterns.joined(separator: "|") }
            while let token = current, token != .symbol(";;"), token.text != "esac" {
                statement(isTaken: isTaken && matches)
            }
        }
        succeeded = nil
        guard isTaken, isOpen else { return }
        decisions.branches.append(("case", line, taken.map { "takes \($0.prefix(40)))" } ?? "takes no branch"))
    }

    /// `for NAME in WORDS; do … done`, once for each of the words where they are known.
    mutating func forLoop(isTaken: Bool) {
        let line = current?.line ?? 1
        next += 1
        let name = current?.text ?? ""
        let (raised, wasOpen) = (decisions.raised, decisions.isOpen)
        (decisions.raised, decisions.isOpen) = ([], false)
        var words: [PlacedText] = []
        var isKnown = current?.text != nil && next + 1 < tokens.count && tokens[next + 1].text == "in"
        next += isKnown ? 2 : 0
        while let token = current, token.text != "do" {
            if isKnown, case .word(let fragments, _, _, _) = token { words += expand(fragments) }
            next += 1
        }
        next += 1
        isKnown = isKnown && !decisions.isOpen && decisions.raised.isEmpty && depth < Self.deepest
        // Names of files that a pattern stands for are not known.
        isKnown = isKnown && !words.contains { $0.string.contains { "*?{".contains($0) } }
        (decisions.raised, decisions.isOpen) = (raised, wasOpen || decisions.isOpen)
        if isTaken, !isKnown { decisions.skip(Self.once("for … done"), line: line) }
        let first = next
        depth += 1
        defer { depth -= 1 }
        for word in isTaken && isKnown && !words.isEmpty ? words.map(Optional.some) : [nil] {
            if let word { (variables[name], gaps[name]) = ([word], nil) }
            next = first
            while let token = current, token.text != "done" {
                repeats -= 1
                statement(isTaken: isTaken && (word != nil || !isKnown))
            }
            guard repeats > 0 else {
                decisions.skip(Self.lost("for … done"), line: line)
                break
            }
        }
        next += 1
        succeeded = nil
    }
}

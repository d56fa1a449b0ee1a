/// Runs the assignments of a shell script that starts training, and gives the commands with their words filled in.
///
/// Known are assignments of words and lists, `export`, `+=`, defaults such as `${1:-8}`, whole-number arithmetic, `if`, `&&` and
/// `||` with tests of words and numbers, `case`, `for` over known words, and here-documents. Files that the script sources are
/// read beside it. Outputs of commands, other files and the environment are empty. What else there is, is noted.
struct ShellScript {
    /// A command: its words.
    typealias Command = [PlacedText]

    private(set) var commands: [Command] = []
    /// Values of variables at the end of the script.
    var variables: [String: [PlacedText]] = [:]
    /// What the environment would decide, and how it was decided without it.
    var decisions = ShellDecisions()
    var tokens: [ShellLexer.Token]
    var next = 0
    var depth = 0
    /// Parts of the values of variables that are not known.
    var gaps: [String: [ShellDecisions.Gap]] = [:]
    /// Whether the last command succeeded; nil: only running it tells.
    var succeeded: Bool?
    /// Statements that loops may repeat in all.
    var repeats = 10_000
    /// Expansions nest no deeper.
    static let deepest = 64
    /// Letters that all expansions together may make.
    var budget = 4_000_000

    /// The folder of the script.
    let folder: String?
    /// Files that the script, and those it sources, may source in all.
    var sourceable = 32
    static let longestSourced = 1 << 18

    /// - Parameters:
    ///   - file: the script's path, beside which sourced files are looked for; nil: none is read.
    ///   - environment: variables that are known before the first line.
    init(_ text: String, file: String? = nil, environment: [String: String] = [:]) {
        tokens = ShellLexer(text).tokens
        variables = environment.mapValues { [PlacedText($0)] }
        folder = file.map { path in
            path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        }
        while next < tokens.count { statement(isTaken: true) }
        for (name, gaps) in gaps { decisions.attach(gaps, to: variables[name] ?? []) }
    }

    var current: ShellLexer.Token? { next < tokens.count ? tokens[next] : nil }

    private static let separators: Set<String> = [";", ";;", "&", "&&", "||", "|"]

    /// A statement, and those that `&&` and `||` bind to it.
    mutating func statement(isTaken: Bool) {
        simple(isTaken: isTaken)
        guard depth < Self.deepest else { return }
        depth += 1
        defer { depth -= 1 }
        while case .symbol(let symbol)? = current, symbol == "&&" || symbol == "||" {
            next += 1
            while current == .newline { next += 1 }
            let line = current?.line ?? 1
            // A program is taken to succeed.
            let follows = (succeeded ?? true) == (symbol == "&&")
            let first = next
            let before = succeeded
            simple(isTaken: isTaken && follows)
            guard isTaken, !follows, first <= tokens.count else { continue }
            succeeded = before
            if before == nil, tokens[first..<max(first, min(next, tokens.count))].contains(where: Self.isAssignment) {
                decisions.branches.append(("command", line, "succeeds"))
            }
        }
    }

    private static func isAssignment(_ token: ShellLexer.Token) -> Bool {
        guard case .word(let fragments, _, _, _) = token, case .text(let text)? = fragments.first else { return false }
        let name = text.string.prefix { $0 != "=" }
        return name.count < text.letters.count && !name.isEmpty
            && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "+" }
    }

    private mutating func simple(isTaken: Bool) {
        guard let token = current else { return }
        switch token {
        case .symbol("("): group(until: .symbol(")"), isTaken: isTaken)
        case .newline, .symbol, .document: next += 1
        case .word(_, _, let line, _):
            switch token.text {
            case "if": condition(isTaken: isTaken)
            case "case": choice(isTaken: isTaken)
            case "for", "select": forLoop(isTaken: isTaken)
            case "while", "until":
                if isTaken { decisions.skip(Self.once("\(token.text ?? "while") … done"), line: line) }
                next += 1
            case "function":
                if isTaken { decisions.skip(Self.once("a function"), line: line) }
                next += 2
            case "{": group(until: "}", isTaken: isTaken)
            case "then", "do", "else", "}", "fi", "done", "esac": next += 1
            case _
            where next + 2 < tokens.count && tokens[next + 1] == .symbol("(") && tokens[next + 2] == .symbol(")"):
                if isTaken { decisions.skip(Self.once("a function"), line: line) }
                next += 3
            default: command(isTaken: isTaken)
            }
        }
    }

    mutating func condition(isTaken: Bool) {
        guard depth < Self.deepest else {
            next += 1
            return
        }
        depth += 1
        defer { depth -= 1 }
        var isDone = false
        var isOpen = isTaken
        func decide(_ script: inout ShellScript, at line: Int) -> Bool {
            script.decisions.isOpen = false
            let holds = script.test()
            if isTaken, !isDone, script.decisions.isOpen {
                script.decisions.branches.append(("if", line, holds ? "holds" : "does not hold"))
            }
            return holds
        }
        var line = current?.line ?? 1
        next += 1
        isOpen = decide(&self, at: line) && isTaken
        isDone = isOpen
        while let token = current {
            switch token.text {
            case "fi":
                next += 1
                return
            case "elif":
                line = token.line ?? line
                next += 1
                isOpen = decide(&self, at: line) && isTaken && !isDone
                isDone = isDone || isOpen
            case "else":
                next += 1
                isOpen = isTaken && !isDone
            default: statement(isTaken: isOpen)
            }
        }
    }

    /// Reads the condition up to `then`.
    private mutating func test() -> Bool {
        var (result, operation, words): (Bool?, String, [String]) = (nil, "", [])
        func add(_ value: Bool) {
            result =
                operation == "||" ? (result ?? false) || value : operation == "&&" ? (result ?? true) && value : value
        }
        while let token = current {
            next += 1
            switch token {
            case .newline: continue
            case .symbol(let symbol):
                if symbol == "&&" || symbol == "||" {
                    if !words.isEmpty { add(decided(words)) }
                    (operation, words) = (symbol, [])
                }
            case .document: continue
            case .word(let fragments, _, _, _):
                if token.text == "then" {
                    if !words.isEmpty { add(decided(words)) }
                    return result ?? false
                }
                words.append(expand(fragments).map(\.string).joined(separator: " "))
            }
        }
        return false
    }

    /// Whether a test holds. What asks for files, or is no test, is open.
    mutating func decided(_ words: [String]) -> Bool {
        let inner = words.filter { !["[", "]", "[[", "]]", "test", "!"].contains($0) }
        if inner.count == 2, inner[0] != "-n", inner[0] != "-z" { decisions.isOpen = true }
        if inner.count > 3 || words.count == inner.count && inner != ["true"] && inner != ["false"] {
            decisions.isOpen = true
        }
        return Self.holds(words)
    }

    /// Whether a test such as `[ A == B ]` holds. Other tests do not.
    private static func holds(_ words: [String]) -> Bool {
        let inner = words.filter { !["[", "]", "[[", "]]", "test"].contains($0) }
        if inner.first == "!" { return !holds(Array(inner.dropFirst())) }
        switch inner.count {
        case 1: return !inner[0].isEmpty && inner[0] != "false"
        case 2: return inner[0] == "-n" ? !inner[1].isEmpty : inner[0] == "-z" ? inner[1].isEmpty : false
        case 3:
            let (a, b) = (Int(inner[0]), Int(inner[2]))
            switch inner[1] {
            case "=", "==": return inner[0] == inner[2]
            case "!=": return inner[0] != inner[2]
            case "-eq": return a != nil && a == b
            case "-ne": return a != b
            case "-gt": return (a ?? 0) > (b ?? 0)
            case "-ge": return (a ?? 0) >= (b ?? 0)
            case "-lt": return (a ?? 0) < (b ?? 0)
            case "-le": return (a ?? 0) <= (b ?? 0)
            default: return false
            }
        default: return false
        }
    }

    private mutating func command(isTaken: Bool) {
        var words: Command = []
        // The words of a test, in which an empty one stands for itself.
        var tested: [String] = []
        var document: [PlacedText]?
        var isDeclaration = false
        let place = current?.line ?? 1
        let raised = decisions.raised
        let wasOpen = decisions.isOpen
        (decisions.raised, decisions.isOpen) = ([], false)
        defer {
            decisions.raised = raised
            decisions.isOpen = decisions.isOpen || wasOpen
        }
        loop: while let token = current {
            let isInside = tested.first == "[[" && tested.last != "]]"
            switch token {
            case .newline: if isInside { next += 1 } else { break loop }
            case .document(let fragments, let line, let column):
                next += 1
                if isTaken { document = [text(of: fragments, at: (line, column))] }
            case .symbol(let symbol):
                if isInside {
                    tested.append(symbol)
                    next += 1
                    continue
                }
                if Self.separators.contains(symbol) || symbol == ")" { break loop }
                next += 1
                // The file of a redirection is no argument.
                if symbol.hasPrefix("<") || symbol.hasPrefix(">"), case .word(let fragments, _, _, _)? = current {
                    next += 1
                    if symbol == "<<<", isTaken { document = expand(fragments) }
                }
            case .word(let fragments, let isQuoted, let line, let column):
                next += 1
                if words.isEmpty, ["export", "local", "declare", "readonly", "typeset"].contains(token.text) {
                    isDeclaration = true
                    continue
                }
                if words.isEmpty, isDeclaration, let option = token.text, option.hasPrefix("-") {
                    if isTaken, option.contains("A") { decisions.skip(Self.lost("declare \(option)"), line: line) }
                    continue
                }
                if words.isEmpty, assign(fragments, line: line, column: column, isTaken: isTaken) { continue }
                if isDeclaration { continue }
                guard isTaken else {
                    words.append(PlacedText("-", at: (line, column)))
                    continue
                }
                let expanded = expand(fragments)
                tested.append(expanded.map(\.string).joined(separator: " "))
                words += isQuoted && expanded.isEmpty && !Self.isList(fragments) ? [PlacedText()] : expanded
            }
        }
        succeeded = nil
        guard isTaken, let first = words.first else { return }
        decisions.attach(decisions.raised, to: words)
        switch first.string {
        case "source", ".": if words.count > 1 { source(words[1].string, at: first.place) }
        case "[", "[[", "test", "true", "false", "!":
            let (holds, isKnown) = outcome(tested)
            succeeded = isKnown ? holds : nil
            guard isKnown, decisions.isOpen, case .symbol(let symbol)? = current, symbol == "&&" || symbol == "||"
            else { return }
            decisions.branches.append(("test", place, holds ? "holds" : "does not hold"))
        default: if !builtin(words, document: document, line: place) { commands.append(words) }
        }
    }

    /// Whether a word in quotes is all words of a list, `"$@"` or `"${NAME[@]}"`: an empty list makes no word.
    private static func isList(_ fragments: [ShellLexer.Fragment]) -> Bool {
        guard case .parameter(let name, _, _, _)? = fragments.first, fragments.count == 1 else { return false }
        return name == "@" || name.hasSuffix("[@]")
    }

    /// Assigns if the word begins with `NAME=` or `NAME+=`.
    private mutating func assign(
        _ fragments: [ShellLexer.Fragment], line: Int, column: Int, isTaken: Bool
    ) -> Bool {
        guard case .text(let first)? = fragments.first,
            let equals = first.letters.firstIndex(where: { $0.character == "=" })
        else { return false }
        var name = String(first.letters[..<equals].map(\.character))
        let adds = name.hasSuffix("+")
        if adds { name.removeLast() }
        guard let initial = name.first, initial.isLetter || initial == "_",
            name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
        else { return false }
        var rest = PlacedText()
        rest.letters = Array(first.letters[(equals + 1)...])
        let raised = decisions.raised
        decisions.raised = []
        defer { decisions.raised = raised }
        var values: [PlacedText]
        var isList = false
        if rest.isEmpty, fragments.count == 1, case .symbol("(")? = current {
            next += 1
            isList = true
            values = list()
        } else {
            var whole = PlacedText()
            for part in [ShellLexer.Fragment.text(rest)] + fragments.dropFirst() { whole += joined(part) }
            values = [whole]
        }
        guard isTaken else { return true }
        if adds, let old = variables[name] {
            // A text is put behind a text, a word behind a list.
            values = !isList && old.count == 1 ? [concatenated(old[0], values[0])] : old + values
        }
        let kept = adds ? gaps[name] ?? [] : []
        gaps[name] = kept + (ShellDecisions.isSilent(name) ? [] : decisions.raised)
        variables[name] = values
        return true
    }

    private func concatenated(_ a: PlacedText, _ b: PlacedText) -> PlacedText {
        var text = a
        text += b
        return text
    }

    /// The words of a list up to its closing bracket.
    private mutating func list() -> [PlacedText] {
        var words: [PlacedText] = []
        while let token = current {
            next += 1
            switch token {
            case .symbol(")"): return words
            case .word(let fragments, _, _, _): words += expand(fragments)
            case .symbol, .newline, .document: continue
            }
        }
        return words
    }

    /// A fragment as one text.
    mutating func joined(_ fragment: ShellLexer.Fragment) -> PlacedText {
        var text = PlacedText()
        for (index, value) in values(fragment).enumerated() {
            if index > 0 { text += PlacedText(" ", at: value.place) }
            text += value
        }
        return text
    }

    /// A word with its parameters filled in: the words that it makes.
    mutating func expand(_ fragments: [ShellLexer.Fragment]) -> [PlacedText] {
        var words: [PlacedText] = []
        var open: PlacedText?
        for fragment in fragments {
            let values = values(fragment)
            var splits = false
            if case .parameter(_, let isQuoted, _, _) = fragment { splits = !isQuoted }
            if case .command(_, let isQuoted, _, _) = fragment { splits = !isQuoted }
            let parts = splits ? values.flatMap(\.words) : values
            for (index, part) in parts.enumerated() {
                if index > 0, let word = open {
                    words.append(word)
                    open = nil
                }
                open = open.map { concatenated($0, part) } ?? part
            }
        }
        if let open { words.append(open) }
        return words
    }

    mutating func values(_ fragment: ShellLexer.Fragment) -> [PlacedText] {
        switch fragment {
        case .text(let text): return [text]
        case .command(let text, _, let line, _): return output(of: text, line: line)
        case .arithmetic(let text, let line, let column):
            let known = variables
            var used: [PlacedText] = []
            let value = ShellArithmetic.value(of: text) { name in
                used += known[name] ?? []
                return known[name].flatMap { $0.count == 1 ? Int($0[0].string) : nil }
            }
            decisions.derive((line, column), from: used)
            return value.map { [PlacedText("\($0)", at: (line, column))] } ?? []
        case .parameter(let text, _, let line, let column): return parameter(text, at: (line, column))
        }
    }
}

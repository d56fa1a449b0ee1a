/// Walks over the tokens of a file and notes what is declared and what is used. It knows braces, declarations and local
/// names; it does not know the types of expressions.
struct SourceReader {
    /// What an opening brace opened.
    private enum Scope {
        case type(String, isVisible: Bool)
        case extended(String, isVisible: Bool)
        case code

        var typeName: String? {
            switch self {
            case .type(let name, _), .extended(let name, _): name
            case .code: nil
            }
        }
        var isVisible: Bool {
            switch self {
            case .type(_, let isVisible), .extended(_, let isVisible): isVisible
            case .code: false
            }
        }
        var isExtension: Bool { if case .extended = self { true } else { false } }
        var isType: Bool { if case .type = self { true } else { false } }
    }

    private static let typeKeywords: Set = ["struct", "enum", "class", "actor", "protocol"]
    private static let modifiers: Set = [
        "private", "fileprivate", "package", "public", "internal", "static", "class", "final", "mutating",
        "nonmutating", "nonisolated", "override", "lazy", "weak", "unowned", "indirect", "consuming", "borrowing",
        "convenience", "required",
    ]

    private var file: SourceFile
    private let tokens: [Token]
    private var index = 0
    private var scopes: [(scope: Scope, locals: Set<String>)] = []
    /// The type or extension that the next opening brace opens; nil: code.
    private var coming: Scope?
    /// Names that are local behind the next opening brace.
    private var comingLocals: Set<String> = []

    static func file(path: String, text: String) -> SourceFile {
        var reader = SourceReader(tokens: Tokenizer.tokens(of: text), path: path)
        reader.read()
        return reader.file
    }

    private init(tokens: [Token], path: String) {
        self.tokens = tokens
        file = SourceFile(path: path)
    }

    private func text(_ index: Int) -> String { tokens.indices.contains(index) ? tokens[index].text : "" }
    private func isWord(_ index: Int) -> Bool { tokens.indices.contains(index) && tokens[index].isWord }
    private func isLocal(_ name: String) -> Bool { scopes.contains { $0.locals.contains(name) } }
    private var isInCode: Bool { if case .code? = scopes.last?.scope { true } else { false } }
    private var typesAround: [String] { scopes.compactMap(\.scope.typeName) }
    private func fullName(_ name: String) -> String { (typesAround.last.map { $0 + "." } ?? "") + name }

    private mutating func read() {
        while index < tokens.count {
            if text(index) == "{" {
                open()
            } else if text(index) == "}" {
                _ = scopes.popLast()
                index += 1
            } else if !isWord(index) {
                index += 1
            } else if text(index - 1) == "." || !readDeclaration() {
                noteUse()
                index += 1
            }
        }
    }

    private mutating func open() {
        if let coming {
            scopes.append((coming, []))
        } else {
            scopes.append((.code, comingLocals.union(closureParameters())))
        }
        coming = nil
        comingLocals = []
        index += 1
    }

    /// Names between an opening brace and the `in` of a closure.
    private func closureParameters() -> Set<String> {
        var names: Set<String> = []
        var depth = 0
        for place in index + 1..<max(index + 1, min(index + 60, tokens.count)) {
            if text(place) == "in", depth == 0 { return names }
            if ["(", "["].contains(text(place)) { depth += 1 }
            if [")", "]"].contains(text(place)) { depth -= 1 }
            if isWord(place) {
                names.insert(text(place))
            } else if !["(", ")", "[", "]", ",", ":", "-", "<", ">", ".", "&", "?"].contains(text(place)) {
                break
            }
        }
        return []
    }

    // MARK: Declarations

    /// Reads the head of the declaration that begins at this word.
    /// - Returns: whether one does.
    private mutating func readDeclaration() -> Bool {
        switch text(index) {
        case "import":
            index += ["struct", "func", "class", "enum", "protocol"].contains(text(index + 1)) ? 2 : 1
            file.imports.insert(text(index))
            index += 1
        case "typealias", "associatedtype":
            declareType(text(index + 1))
            index += 2
        case "extension" where scopes.isEmpty && isWord(index + 1):
            var end = index + 1
            var name = text(end)
            while text(end + 1) == ".", isWord(end + 2) {
                name += "." + text(end + 2)
                end += 2
            }
            coming = .extended(name, isVisible: isVisible())
            index += 1
        case "func":
            if isWord(index + 1) { declareValue(text(index + 1)) }
            index += isWord(index + 1) ? 2 : 1
            while !["(", "<", "{", ""].contains(text(index)) { index += 1 }
            comingLocals.formUnion(parameters())
        case "init", "subscript":
            guard !isInCode, !scopes.isEmpty, ["(", "<", "?", "!"].contains(text(index + 1)) else { return false }
            index += 1
            comingLocals.formUnion(parameters())
        case "let", "var":
            return readVariables()
        case "for":
            return readLoop()
        case "case":
            guard scopes.last?.scope.isType == true, isWord(index + 1) else { return false }
            readCases()
        default:
            return readType()
        }
        return true
    }

    private mutating func readType() -> Bool {
        guard Self.typeKeywords.contains(text(index)), isWord(index + 1) else { return false }
        // `class func`, `class final`.
        if text(index) == "class",
            Self.modifiers.contains(text(index + 1)) || ["func", "var", "let", "subscript"].contains(text(index + 1))
        {
            return false
        }
        coming = .type(fullName(text(index + 1)), isVisible: isVisible())
        declareType(text(index + 1))
        index += 2
        return true
    }

    /// Whether the modifiers before this word let other files see what it declares.
    private func isVisible() -> Bool {
        var place = index - 1
        while place >= 0 {
            if text(place) == ")", text(place - 2) == "(" {
                // `private(set)` restricts writing alone.
                place -= 4
            } else if Self.modifiers.contains(text(place)) {
                if text(place) == "private" || text(place) == "fileprivate" { return false }
                place -= 1
            } else {
                break
            }
        }
        return scopes.last?.scope.isVisible ?? true
    }

    private mutating func declareType(_ name: String) {
        if isInCode {
            scopes[scopes.count - 1].locals.insert(name)
        } else {
            file.types.append(SourceFile.TypeDeclaration(name: fullName(name), isVisible: isVisible()))
        }
    }

    private mutating func declareValue(_ name: String) {
        if isInCode {
            scopes[scopes.count - 1].locals.insert(name)
        } else {
            file.values.append(
                SourceFile.ValueDeclaration(
                    owner: typesAround.last, name: name, isVisible: isVisible(),
                    isInExtension: scopes.last?.scope.isExtension ?? false))
        }
    }

    /// `let a`, `var a, b: Int`, `let (a, b)`.
    private mutating func readVariables() -> Bool {
        var place = index + 1
        if text(place) == "(" {
            while !["", ")", "="].contains(text(place)) {
                if isWord(place) { declareValue(text(place)) }
                place += 1
            }
            index = place
            return true
        }
        guard isWord(place) else { return false }
        declareValue(text(place))
        place += 1
        while text(place) == ",", isWord(place + 1), [",", ":", "="].contains(text(place + 2)) {
            declareValue(text(place + 1))
            place += 2
        }
        index = place
        return true
    }

    /// `for a in`, `for (a, b) in`.
    private mutating func readLoop() -> Bool {
        guard isInCode, isWord(index + 1) || text(index + 1) == "(" else { return false }
        var names: Set<String> = []
        var place = index + 1
        while !["in", "{", ""].contains(text(place)) {
            if isWord(place) { names.insert(text(place)) }
            place += 1
        }
        guard text(place) == "in" else { return false }
        scopes[scopes.count - 1].locals.formUnion(names)
        index = place + 1
        return true
    }

    /// `case a, b(Int)`.
    private mutating func readCases() {
        var depth = 0
        var place = index
        repeat {
            if depth == 0, place == index || text(place) == ",", isWord(place + 1) { declareValue(text(place + 1)) }
            place += 1
            if ["(", "["].contains(text(place)) { depth += 1 }
            if [")", "]"].contains(text(place)) { depth -= 1 }
            guard place < tokens.count, !["{", "}"].contains(text(place)) else { break }
        } while depth > 0 || tokens[place].line == tokens[index].line || text(place - 1) == ","
        index += 2
    }

    /// Names inside a function of the parameters whose list opens at or behind this token.
    private func parameters() -> Set<String> {
        var place = index
        while !["(", "{", ""].contains(text(place)) { place += 1 }
        var names: Set<String> = []
        var depth = 0
        while place < tokens.count {
            if ["(", "["].contains(text(place)) { depth += 1 }
            if [")", "]"].contains(text(place)) { depth -= 1 }
            if depth == 0 { break }
            if depth == 1, isWord(place), text(place + 1) == ":" { names.insert(text(place)) }
            place += 1
        }
        return names
    }

    // MARK: Uses

    private mutating func noteUse() {
        let token = tokens[index]
        let isMember = text(index - 1) == "."
        if !isMember, !token.isCapitalised {
            // `f(label: x)` and `func f(label name: Int)`.
            let isLabel = token.touchesNext && text(index + 1) == ":" && text(index - 1) != "case"
            let isOuterLabel = isWord(index + 1) && text(index + 2) == ":" && ["(", ","].contains(text(index - 1))
            if isLabel || isOuterLabel { return }
        }
        var names: [String] = []
        var first = index
        while text(first - 1) == ".", isWord(first - 2) {
            first -= 2
            names.insert(text(first), at: 0)
        }
        let isPlain = !names.isEmpty && text(first - 1) != "."
        file.uses.append(
            SourceFile.Use(
                name: token.text, qualifier: !isMember ? .none : isPlain ? .names(names) : .expression,
                scopes: typesAround, isLocal: isMember ? isPlain && isLocal(names[0]) : isLocal(token.text),
                line: token.line))
    }
}

import Reading

/// Values that refer to other settings, `${model.seq_length}`, `${.hidden_size}` and `${multiply:4, ${.hidden_size}}` of OmegaConf,
/// or to the environment with a default, `${PRIMUS_TP:8}` and `${oc.env:TP,8}`.
struct Interpolation {
    private let settings: [String: Setting]
    private var budget = 20_000

    /// A reference inside a reference inside … beyond this depth refers to itself.
    private static let deepest = 16

    private init(_ settings: [Setting]) {
        self.settings = Dictionary(settings.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The settings with their references resolved. What cannot be resolved stays as it is written.
    static func resolve(_ settings: [Setting]) -> [Setting] {
        guard settings.contains(where: { has($0.value) }) else { return settings }
        var interpolation = Interpolation(settings)
        return settings.map { setting in
            var resolved = setting
            switch setting.value {
            case .word(let word): resolved.value = interpolation.value(word, of: setting.name, depth: 0)
            case .list(let words):
                resolved.value = .list(
                    words.map { word in
                        guard case .word(let new) = interpolation.value(word, of: setting.name, depth: 0) else {
                            return word
                        }
                        return new
                    })
            case .nothing: break
            }
            return resolved
        }
    }

    private static func has(_ value: Setting.Value) -> Bool {
        switch value {
        case .word(let word): word.contains("${")
        case .list(let words): words.contains { $0.contains("${") }
        case .nothing: false
        }
    }

    private mutating func value(_ word: String, of name: String, depth: Int) -> Setting.Value {
        guard word.contains("${"), depth < Self.deepest else { return .word(word) }
        budget -= word.utf8.count
        guard budget > 0 else { return .word(word) }
        var text = ""
        var rest = word[...]
        while let start = rest.firstRange(of: "${") {
            guard let end = Self.end(rest[start.upperBound...]) else { return .word(word) }
            let inner = String(rest[start.upperBound..<end])
            guard let found = found(inner, of: name, depth: depth + 1) else { return .word(word) }
            // A whole value may be a list.
            if start.lowerBound == word.startIndex, rest.index(after: end) == word.endIndex { return found }
            guard case .word(let part) = found else { return .word(word) }
            text += rest[..<start.lowerBound] + part
            rest = rest[rest.index(after: end)...]
        }
        return .word(text + rest)
    }

    /// Where the brace that was opened before `text` closes.
    private static func end(_ text: Substring) -> String.Index? {
        var depth = 0
        for index in text.indices {
            if text[index] == "{" { depth += 1 }
            guard text[index] == "}" else { continue }
            if depth == 0 { return index }
            depth -= 1
        }
        return nil
    }

    private mutating func found(_ inner: String, of name: String, depth: Int) -> Setting.Value? {
        guard case .word(let plain) = value(inner, of: name, depth: depth) else { return nil }
        if let colon = plain.firstIndex(of: ":") {
            let verb = String(plain[..<colon]).trimmed
            let rest = String(plain[plain.index(after: colon)...])
            let words = rest.split(separator: ",").map { String($0).trimmed }
            switch verb {
            case "multiply", "sum", "divide", "floor_divide", "int_div", "add", "subtract", "mul":
                return Self.computed(verb, words).map { .word("\($0)") }
            case "oc.env":
                return words.count > 1 ? .word(words[1]) : nil
            default:
                let isName = verb.allSatisfy { $0.isUppercase || $0.isNumber || $0 == "_" }
                return isName ? .word(rest.trimmed) : nil
            }
        }
        return reference(plain.trimmed, of: name, depth: depth)
    }

    private mutating func reference(_ path: String, of name: String, depth: Int) -> Setting.Value? {
        let dots = path.prefix { $0 == "." }.count
        var full = path
        if dots > 0 {
            var section = name.split(separator: ".").map(String.init)
            guard section.count >= dots else { return nil }
            section.removeLast(dots)
            full = (section + [String(path.dropFirst(dots))]).joined(separator: ".")
        }
        // NeMo's launcher puts the file under a key of its own.
        let names = [full, full.hasPrefix("training.") ? String(full.dropFirst("training.".count)) : full]
        guard let setting = names.compactMap({ settings[$0] }).first, setting.name != name else { return nil }
        guard case .word(let word) = setting.value else { return setting.value }
        return value(word, of: setting.name, depth: depth)
    }

    private static func computed(_ verb: String, _ words: [String]) -> Int? {
        let numbers = words.compactMap { Int($0) }
        guard numbers.count == words.count, let first = numbers.first else { return nil }
        return numbers.dropFirst().reduce(first as Int?) { total, next in
            guard let total else { return nil }
            let (result, overflow): (Int, Bool)
            switch verb {
            case "multiply", "mul": (result, overflow) = total.multipliedReportingOverflow(by: next)
            case "sum", "add": (result, overflow) = total.addingReportingOverflow(next)
            case "subtract": (result, overflow) = total.subtractingReportingOverflow(next)
            default:
                guard next != 0 else { return nil }
                (result, overflow) = total.dividedReportingOverflow(by: next)
            }
            return overflow ? nil : result
        }
    }
}

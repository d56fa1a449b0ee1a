/// A tree of keys and values in the order in which they are set, as YAML that every reader of YAML 1.1 understands alike.
struct ConfigurationText {
    enum Value: Hashable {
        case count(Int)
        case number(Double)
        case flag(Bool)
        case word(String)
        case counts([Int])
        case words([String])
        case numbers([Double])
        /// Words that are taken so many times, as GPT-NeoX writes them: `[[[flash], 24]]`.
        case repeated([String], Int)
        case nothing
        /// YAML that is written already, on one line.
        case flow(String)
        /// An object of Python that is not called: `{_target_: torch.bfloat16, _call_: false}`.
        case object(String)
        /// A case of an enumeration of Python by its number.
        case enumeration(String, Int)

        var yaml: String {
            switch self {
            case .count(let count): "\(count)"
            case .number(let number): Self.written(number)
            case .flag(let flag): "\(flag)"
            case .word(let word): Self.quoted(word)
            case .counts(let counts): "[\(counts.map(String.init).joined(separator: ", "))]"
            case .words(let words): "[\(words.map(Self.quoted).joined(separator: ", "))]"
            case .numbers(let numbers): "[\(numbers.map(Self.written).joined(separator: ", "))]"
            case .repeated(let words, let times): "[[[\(words.map(Self.quoted).joined(separator: ", "))], \(times)]]"
            case .nothing: "null"
            case .flow(let text): text
            case .object(let path): "{_target_: \(path), _call_: false}"
            case .enumeration(let path, let number): "{_target_: \(path), _call_: true, _args_: [\(number)]}"
            }
        }

        /// A number with a point, without which `1e-05` is a text.
        static func written(_ number: Double) -> String {
            let text = "\(number)"
            guard let mark = text.firstIndex(of: "e"), !text[..<mark].contains(".") else { return text }
            return text[..<mark] + ".0" + text[mark...]
        }

        static func quoted(_ word: String) -> String {
            let isPlain =
                word.first?.isLetter == true
                && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._/-".contains($0)) }
            let isOther = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(word.lowercased())
            return isPlain && !isOther ? word : "'" + word.replacing("'", with: "''") + "'"
        }
    }

    private var entries: [(path: [String], value: Value)] = []

    /// Sets a key by its dotted path. A later value takes the place of an earlier one.
    mutating func set(_ path: String, _ value: Value) {
        let keys = path.split(separator: ".").map(String.init)
        if let index = entries.firstIndex(where: { $0.path == keys }) {
            entries[index].value = value
        } else {
            entries.append((keys, value))
        }
    }

    /// - Parameter header: lines of comment above the keys.
    func yaml(header: [String]) -> String {
        let lines = KeyTree.lines(entries, path: \.path) { key, entry in key + entry.value.yaml }
        return (PlainComment.lines(header) + lines).joined(separator: "\n") + "\n"
    }

    /// Sets the keys of a section, and the class of Python that takes them.
    mutating func set(_ section: String, target: String, _ fields: [(name: String, value: Value)]) {
        if !target.isEmpty { set("\(section)._target_", .word(target)) }
        for field in fields { set("\(section).\(field.name)", field.value) }
    }
}

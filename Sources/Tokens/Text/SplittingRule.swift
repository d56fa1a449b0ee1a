/// How text is cut into words before they are merged from bytes. Each rule is the regular expression of a family of models,
/// written out by hand: one pass, no backtracking further than one run of white space.
package enum SplittingRule: String, CaseIterable, Hashable, Sendable {
    case gpt2
    case llama3
    case qwen2
    /// Text is one word.
    case none

    /// The regular expression; nil: there is none.
    package var pattern: String? {
        let ends = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        let starts = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"#
        switch self {
        case .gpt2: return #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .llama3: return starts + #"\p{N}{1,3}"# + ends
        case .qwen2: return starts + #"\p{N}"# + ends
        case .none: return nil
        }
    }

    /// The rule with this expression; nil: none has it.
    init?(pattern: String) {
        guard let rule = Self.allCases.first(where: { $0.pattern == pattern }) else { return nil }
        self = rule
    }
}

/// Finds where words end.
struct WordScanner {
    let text: UnsafeBufferPointer<UInt8>
    let rule: SplittingRule
    private let classes = CharacterClasses.all
    private let ascii: UnsafePointer<UInt8>

    init(_ text: UnsafeBufferPointer<UInt8>, _ rule: SplittingRule) {
        self.text = text
        self.rule = rule
        ascii = classes.ascii
    }

    /// The end of the word that begins at `start`, which lies before the end of the text.
    @inline(__always)
    func end(of start: Int) -> Int {
        switch rule {
        case .gpt2: gpt2(start)
        case .llama3: llama(start, digits: 3)
        case .qwen2: llama(start, digits: 1)
        case .none: text.count
        }
    }

    @inline(__always)
    private func kind(_ place: Int) -> (kind: CharacterClass, length: Int) {
        let byte = text[place]
        if byte < 0x80 { return (CharacterClass(rawValue: ascii[Int(byte)]) ?? .other, 1) }
        let (code, length) = Scalars.next(text, place)
        return (classes.kind(code), length)
    }

    /// The end of the run of characters of a class that goes on at `place`.
    @inline(__always)
    private func run(_ wanted: CharacterClass, _ place: Int) -> Int {
        var end = place
        while end < text.count {
            let (kind, length) = kind(end)
            guard kind == wanted else { break }
            end += length
        }
        return end
    }

    private func gpt2(_ start: Int) -> Int {
        let first = text[start]
        if first == UInt8(ascii: "'"), let length = contraction(start, folding: false) { return start + length }
        var (kind, length) = kind(start)
        if first == 0x20, start + 1 < text.count {
            let behind = self.kind(start + 1)
            (kind, length) = (behind.kind, behind.length + 1)
        }
        return kind == .space ? spaces(start) : run(kind, start + length)
    }

    private func llama(_ start: Int, digits: Int) -> Int {
        let first = text[start]
        if first == UInt8(ascii: "'"), let length = contraction(start, folding: true) { return start + length }
        let (kind, length) = kind(start)
        switch kind {
        case .letter: return run(.letter, start + length)
        case .number:
            var (end, count) = (start + length, 1)
            while count < digits, end < text.count {
                let (kind, length) = self.kind(end)
                guard kind == .number else { break }
                end += length
                count += 1
            }
            return end
        case .other, .space:
            guard start + length < text.count else { return start + length }
            let behind = self.kind(start + length)
            let isNewline = first == 0x0A || first == 0x0D
            if behind.kind == .letter, !isNewline { return run(.letter, start + length + behind.length) }
            if kind == .other || first == 0x20 && behind.kind == .other {
                var end = run(.other, start + length)
                while end < text.count, text[end] == 0x0A || text[end] == 0x0D { end += 1 }
                return end
            }
            return newlines(start) ?? spaces(start)
        }
    }

    /// The end of white space that ends with its last newline; nil: there is none in it.
    private func newlines(_ start: Int) -> Int? {
        var end = start
        var found: Int?
        while end < text.count {
            let (kind, length) = kind(end)
            guard kind == .space else { break }
            end += length
            if text[end - 1] == 0x0A || text[end - 1] == 0x0D { found = end }
        }
        return found
    }

    /// The end of white space: before its last character where more text follows and it has several.
    private func spaces(_ start: Int) -> Int {
        var (end, last) = (start, start)
        while end < text.count {
            let (kind, length) = kind(end)
            guard kind == .space else { break }
            last = end
            end += length
        }
        return end < text.count && last > start ? last : end
    }

    /// Bytes of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d`; nil: none is here.
    /// - Parameter folding: also in capitals, and the long s.
    private func contraction(_ start: Int, folding: Bool) -> Int? {
        func letter(_ offset: Int) -> UInt8 {
            guard start + offset < text.count else { return 0 }
            let byte = text[start + offset]
            return folding && byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
        }
        switch letter(1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return letter(2) == UInt8(ascii: "e") ? 3 : nil
        case UInt8(ascii: "l"): return letter(2) == UInt8(ascii: "l") ? 3 : nil
        case 0xC5: return folding && letter(2) == 0xBF ? 3 : nil
        default: return nil
        }
    }
}

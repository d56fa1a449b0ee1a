/// A value of JSON text whose strings are bytes. A vocabulary may hold two spellings of one letter, which Swift's strings
/// count as equal.
enum JSONText {
    case null
    case flag(Bool)
    case number(Double)
    case text([UInt8])
    case list([JSONText])
    case map([(key: [UInt8], value: JSONText)])

    /// Why a text is no JSON, and where.
    struct Failure: Error {
        /// Bytes before the place.
        var offset: Int
        var reason: String
    }

    /// Reads a whole text, which holds one value.
    static func parse(_ text: UnsafeRawBufferPointer) throws(Failure) -> JSONText {
        var parser = Parser(text: text)
        return try parser.whole()
    }

    /// The value of the last entry called `key`; nil: this is no map, or there is none.
    func value(of key: String) -> JSONText? {
        guard case .map(let entries) = self else { return nil }
        return entries.last { $0.key.elementsEqual(key.utf8) }?.value
    }

    /// Words for messages.
    var shown: String {
        switch self {
        case .null: "null"
        case .flag(let flag): flag ? "true" : "false"
        case .number(let number): Int(exactly: number).map(String.init) ?? String(number)
        case .text(let bytes):
            "'" + String(decoding: bytes.prefix(120), as: UTF8.self) + (bytes.count > 120 ? "…'" : "'")
        case .list(let list): "a list of \(list.count)"
        case .map(let map): "a map of \(map.count)"
        }
    }

    private struct Parser {
        /// Files nest a few levels; the stack holds many more.
        static let deepest = 200

        let text: UnsafeRawBufferPointer
        var next = 0

        init(text: UnsafeRawBufferPointer) { self.text = text }

        mutating func whole() throws(Failure) -> JSONText {
            // A byte order mark.
            if text.count >= 3, text[0] == 0xEF, text[1] == 0xBB, text[2] == 0xBF { next = 3 }
            let value = try value(depth: 0)
            skipSpace()
            guard next == text.count else { throw failure("there is more behind the value") }
            return value
        }

        func failure(_ reason: String) -> Failure { Failure(offset: next, reason: reason) }

        mutating func skipSpace() {
            while next < text.count {
                let byte = text[next]
                guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
                next += 1
            }
        }

        /// Whether the next character is `byte`, which is then taken.
        mutating func take(_ byte: UInt8) -> Bool {
            skipSpace()
            guard next < text.count, text[next] == byte else { return false }
            next += 1
            return true
        }

        mutating func value(depth: Int) throws(Failure) -> JSONText {
            guard depth < Self.deepest else { throw failure("it nests too deeply") }
            skipSpace()
            guard next < text.count else { throw failure("it ends in the middle") }
            switch text[next] {
            case UInt8(ascii: "\""): return .text(try string())
            case UInt8(ascii: "{"):
                next += 1
                var entries: [(key: [UInt8], value: JSONText)] = []
                if take(UInt8(ascii: "}")) { return .map(entries) }
                repeat {
                    skipSpace()
                    guard next < text.count, text[next] == UInt8(ascii: "\"") else {
                        throw failure("a key in quotes belongs here")
                    }
                    let key = try string()
                    guard take(UInt8(ascii: ":")) else { throw failure("a colon belongs here") }
                    entries.append((key, try value(depth: depth + 1)))
                } while take(UInt8(ascii: ","))
                guard take(UInt8(ascii: "}")) else { throw failure("a comma or '}' belongs here") }
                return .map(entries)
            case UInt8(ascii: "["):
                next += 1
                var list: [JSONText] = []
                if take(UInt8(ascii: "]")) { return .list(list) }
                repeat { list.append(try value(depth: depth + 1)) } while take(UInt8(ascii: ","))
                guard take(UInt8(ascii: "]")) else { throw failure("a comma or ']' belongs here") }
                return .list(list)
            default: return try word()
            }
        }

        /// null, true, false or a number.
        private mutating func word() throws(Failure) -> JSONText {
            let start = next
            while next < text.count {
                let byte = text[next]
                let isPart =
                    byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5A || byte >= 0x61 && byte <= 0x7A
                    || byte == 0x2B || byte == 0x2D || byte == 0x2E
                guard isPart else { break }
                next += 1
            }
            let word = String(decoding: text[start..<next], as: UTF8.self)
            switch word {
            case "null": return .null
            case "true": return .flag(true)
            case "false": return .flag(false)
            default:
                if let first = word.utf8.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
                    word.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }),
                    Double(word) != nil, let number = Self.number(word)
                {
                    return .number(number)
                }
                next = start
                throw failure("a value belongs here")
            }
        }

        /// The number as the `tokenizers` package reads it (serde_json): all digits as one whole number, then one division or
        /// multiplication by a power of ten. It may differ from the nearest number in the last bit, and pieces of equal
        /// sums of scores would then be chosen differently.
        private static func number(_ word: String) -> Double? {
            var (digits, exponent) = (UInt64(0), 0)
            var (isFraction, isFull) = (false, false)
            var rest = word.utf8[...]
            let isNegative = rest.first == UInt8(ascii: "-")
            if isNegative { rest = rest.dropFirst() }
            while let byte = rest.first, byte | 0x20 != UInt8(ascii: "e") {
                rest = rest.dropFirst()
                guard byte != UInt8(ascii: ".") else {
                    isFraction = true
                    continue
                }
                let (shifted, overflows) = digits.multipliedReportingOverflow(by: 10)
                let (sum, carries) = shifted.addingReportingOverflow(UInt64(byte &- 0x30))
                isFull = isFull || overflows || carries
                if !isFull { digits = sum }
                if isFraction != isFull { exponent += isFraction ? -1 : 1 }
            }
            if let stated = Int(String(rest.dropFirst()) ?? "") {
                let (sum, overflows) = exponent.addingReportingOverflow(stated)
                exponent = overflows ? stated : sum
            }
            var value = Double(digits)
            while exponent < 0, value != 0 {
                let step = min(308, -exponent)
                value /= Double("1e\(step)") ?? 1
                exponent += step
            }
            while exponent > 0, value != 0, value.isFinite {
                let step = min(308, exponent)
                value *= Double("1e\(step)") ?? 1
                exponent -= step
            }
            return value.isFinite ? (isNegative ? -value : value) : nil
        }

        /// The bytes of a string, the parser being at its first quote.
        private mutating func string() throws(Failure) -> [UInt8] {
            next += 1
            var bytes: [UInt8] = []
            while next < text.count {
                let start = next
                while next < text.count, text[next] != 0x22, text[next] != 0x5C { next += 1 }
                bytes.append(contentsOf: text[start..<next])
                guard next < text.count else { break }
                if text[next] == 0x22 {
                    next += 1
                    return bytes
                }
                try escape(&bytes)
            }
            throw failure("a text does not end")
        }

        private mutating func escape(_ bytes: inout [UInt8]) throws(Failure) {
            next += 1
            guard next < text.count else { throw failure("a text does not end") }
            let byte = text[next]
            next += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
            case UInt8(ascii: "b"): bytes.append(8)
            case UInt8(ascii: "f"): bytes.append(12)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "t"): bytes.append(9)
            case UInt8(ascii: "u"):
                var code = try hexadecimal()
                if code >= 0xD800, code < 0xDC00, next + 1 < text.count, text[next] == 0x5C,
                    text[next + 1] == UInt8(ascii: "u")
                {
                    let behindFirst = next
                    next += 2
                    let second = try hexadecimal()
                    if second >= 0xDC00, second < 0xE000 {
                        code = 0x10000 + (code - 0xD800) << 10 + (second - 0xDC00)
                    } else {
                        next = behindFirst
                    }
                }
                // Half of a pair of surrogates is no character.
                Scalars.append(Unicode.Scalar(code) ?? "\u{FFFD}", to: &bytes)
            default:
                next -= 1
                throw failure("an escape that JSON does not have")
            }
        }

        private mutating func hexadecimal() throws(Failure) -> UInt32 {
            guard next + 4 <= text.count,
                let code = UInt32(String(decoding: text[next..<next + 4], as: UTF8.self), radix: 16),
                text[next] != 0x2B
            else { throw failure("four hexadecimal digits belong here") }
            next += 4
            return code
        }
    }
}

/// Walks over the bytes of JSON text, value by value, and keeps nothing of it.
///
/// A profiler's trace has a million events in hundreds of megabytes, so that a tree of all its values would not fit. Values
/// that nobody asks for are passed over; only their brackets and quotes are checked.
struct JSONScanner {
    /// What is wrong, and at which byte.
    struct Fault: Error {
        var place: Int
        var rule: String
    }

    let bytes: UnsafeBufferPointer<UInt8>
    private(set) var place = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        // A byte-order mark is no part of the text.
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { place = 3 }
    }

    /// A scanner of this text that begins at another place.
    func at(_ place: Int) -> JSONScanner {
        var other = self
        other.place = place
        return other
    }

    private func fault(_ rule: String) -> Fault { Fault(place: min(place, bytes.count), rule: rule) }

    /// The next byte that is no blank, which stays to be read.
    mutating func peek() throws(Fault) -> UInt8 {
        while place < bytes.count {
            let byte = bytes[place]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            place += 1
        }
        throw fault("the text ends in the middle of a value: the file is cut off")
    }

    /// Whether nothing but blanks is left.
    mutating func isAtEnd() -> Bool { (try? peek()) == nil }

    private mutating func take(_ wanted: UInt8) throws(Fault) {
        let found = try peek()
        guard found == wanted else { throw fault("expected '\(Self.shown(wanted))', found '\(Self.shown(found))'") }
        place += 1
    }

    private static func shown(_ byte: UInt8) -> String { String(decoding: [byte], as: UTF8.self) }

    /// Calls `body` at the value of every key of the map that comes next; `body` reads or skips the value.
    mutating func map(_ body: (inout JSONScanner, Slice<UnsafeBufferPointer<UInt8>>) throws(Fault) -> Void)
        throws(Fault)
    {
        try take(UInt8(ascii: "{"))
        if try peek() == UInt8(ascii: "}") {
            place += 1
            return
        }
        while true {
            guard try peek() == UInt8(ascii: "\"") else { throw fault("expected a quoted key") }
            let key = try quoted().bytes
            try take(UInt8(ascii: ":"))
            try body(&self, key)
            if try peek() == UInt8(ascii: "}") {
                place += 1
                return
            }
            try take(UInt8(ascii: ","))
        }
    }

    /// Calls `body` at every element of the list that comes next; `body` reads or skips it.
    mutating func list(_ body: (inout JSONScanner) throws(Fault) -> Void) throws(Fault) {
        try take(UInt8(ascii: "["))
        if try peek() == UInt8(ascii: "]") {
            place += 1
            return
        }
        while true {
            try body(&self)
            if try peek() == UInt8(ascii: "]") {
                place += 1
                return
            }
            try take(UInt8(ascii: ","))
        }
    }

    /// The bytes of the string that comes next, still escaped.
    private mutating func quoted() throws(Fault) -> (bytes: Slice<UnsafeBufferPointer<UInt8>>, isEscaped: Bool) {
        try take(UInt8(ascii: "\""))
        let first = place
        var isEscaped = false
        while place < bytes.count {
            let byte = bytes[place]
            if byte == UInt8(ascii: "\"") {
                place += 1
                return (bytes[first..<place - 1], isEscaped)
            }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                place += 1
            }
            place += 1
        }
        throw fault("a string has no closing quote: the file is cut off")
    }

    /// The string that comes next.
    mutating func string() throws(Fault) -> String {
        let (text, isEscaped) = try quoted()
        return isEscaped ? Self.unescaped(text) : String(decoding: text, as: UTF8.self)
    }

    /// The string that comes next; nil for a value of another kind, which is passed over.
    mutating func text() throws(Fault) -> String? {
        if try peek() == UInt8(ascii: "\"") { return try string() }
        try skip()
        return nil
    }

    /// Text without its escapes (RFC 8259, section 7). An escape that says nothing stays as it is.
    private static func unescaped(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> String {
        var units: [UInt16] = []
        var plain: [UInt8] = []
        var out = ""
        func flush() {
            out += String(decoding: plain, as: UTF8.self) + String(decoding: units, as: UTF16.self)
            plain.removeAll()
            units.removeAll()
        }
        var at = text.startIndex
        while at < text.endIndex {
            let byte = text[at]
            at += 1
            guard byte == UInt8(ascii: "\\"), at < text.endIndex else {
                if !units.isEmpty { flush() }
                plain.append(byte)
                continue
            }
            let letter = text[at]
            at += 1
            if letter == UInt8(ascii: "u"), at + 4 <= text.endIndex,
                let unit = UInt16(String(decoding: text[at..<at + 4], as: UTF8.self), radix: 16)
            {
                // Both halves of a surrogate pair are joined before they are read.
                if units.isEmpty { flush() }
                units.append(unit)
                at += 4
                continue
            }
            if !units.isEmpty { flush() }
            switch letter {
            case UInt8(ascii: "n"): plain.append(0x0A)
            case UInt8(ascii: "t"): plain.append(0x09)
            case UInt8(ascii: "r"): plain.append(0x0D)
            case UInt8(ascii: "b"): plain.append(0x08)
            case UInt8(ascii: "f"): plain.append(0x0C)
            default: plain.append(letter)
            }
        }
        flush()
        return out
    }

    /// The number that comes next; nil for a value of another kind, which is passed over.
    mutating func number() throws(Fault) -> Double? {
        let first = try peek()
        guard first == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            try skip()
            return nil
        }
        let start = place
        var mantissa: UInt64 = 0
        var (digits, decimals, isPlain, hasPoint) = (0, 0, true, false)
        if first == UInt8(ascii: "-") { place += 1 }
        while place < bytes.count {
            let byte = bytes[place]
            if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
                digits += 1
                if digits <= 18 { mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0")) }
                if hasPoint { decimals += 1 }
            } else if byte == UInt8(ascii: "."), !hasPoint {
                hasPoint = true
            } else if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") || byte == UInt8(ascii: "+")
                || byte == UInt8(ascii: "-")
            {
                isPlain = false
            } else {
                break
            }
            place += 1
        }
        // 15 digits over a small power of ten are exact to the last bit; all else is read the long way.
        if isPlain, digits > 0, digits <= 18, decimals < Self.powers.count, mantissa < 1 << 53 {
            let value = Double(mantissa) / Self.powers[decimals]
            return first == UInt8(ascii: "-") ? -value : value
        }
        guard let value = Double(String(decoding: bytes[start..<place], as: UTF8.self)) else {
            place = start
            throw fault("is no number")
        }
        return value
    }

    private static let powers: [Double] = (0...15).reduce(into: []) { powers, _ in
        powers.append((powers.last ?? 0.1) * 10)
    }

    /// Passes over the value that comes next, whatever it is.
    mutating func skip() throws(Fault) {
        switch try peek() {
        case UInt8(ascii: "\""): _ = try quoted()
        case UInt8(ascii: "{"), UInt8(ascii: "["): try skipNested()
        default:
            let start = place
            while place < bytes.count, Self.isOfWord(bytes[place]) { place += 1 }
            guard place > start else { throw fault("expected a value, found '\(Self.shown(bytes[place]))'") }
        }
    }

    /// Whether a byte can be of a number or of true, false, null, NaN and Infinity.
    private static func isOfWord(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+")
    }

    private mutating func skipNested() throws(Fault) {
        // One bit for each open bracket: 1 for a map.
        var open: UInt64 = 0
        var depth = 0
        while place < bytes.count {
            switch bytes[place] {
            case UInt8(ascii: "\""):
                _ = try quoted()
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard depth < 64 else { throw fault("brackets are nested more than 64 deep") }
                open = open << 1 | (bytes[place] == UInt8(ascii: "{") ? 1 : 0)
                depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard open & 1 == (bytes[place] == UInt8(ascii: "}") ? 1 : 0) else {
                    throw fault("a bracket is closed by '\(Self.shown(bytes[place]))'")
                }
                open >>= 1
                depth -= 1
                if depth == 0 {
                    place += 1
                    return
                }
            default: break
            }
            place += 1
        }
        throw fault("a bracket is never closed: the file is cut off")
    }

    /// Line and column of a byte, counted from 1.
    static func position(of place: Int, in bytes: UnsafeBufferPointer<UInt8>) -> (line: Int, column: Int) {
        var (line, start) = (1, 0)
        for index in 0..<min(place, bytes.count) where bytes[index] == 0x0A {
            line += 1
            start = index + 1
        }
        return (line, min(place, bytes.count) - start + 1)
    }
}

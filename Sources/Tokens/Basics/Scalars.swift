/// UTF-8 read and written by hand: every byte that is no part of a character counts as a character of its own.
enum Scalars {
    /// Stands in place of a code point for a byte that is no part of a character.
    static let broken: UInt32 = 0xFFFF_FFFF

    /// The code point at `place`, and its bytes; `broken` and 1 for a byte that is no part of well-formed UTF-8.
    @inline(__always)
    static func next(_ text: UnsafeBufferPointer<UInt8>, _ place: Int) -> (code: UInt32, length: Int) {
        let first = UInt32(text[place])
        if first < 0x80 { return (first, 1) }
        let rest = text.count - place
        func follower(_ offset: Int) -> UInt32 { UInt32(text[place + offset]) ^ 0x80 }
        if first < 0xE0 {
            guard first >= 0xC2, rest >= 2 else { return (broken, 1) }
            let second = follower(1)
            return second < 0x40 ? ((first & 0x1F) << 6 | second, 2) : (broken, 1)
        }
        if first < 0xF0 {
            guard rest >= 3 else { return (broken, 1) }
            let (second, third) = (follower(1), follower(2))
            guard second < 0x40, third < 0x40 else { return (broken, 1) }
            let code = (first & 0x0F) << 12 | second << 6 | third
            return code >= 0x800 && code & 0xFFFF_F800 != 0xD800 ? (code, 3) : (broken, 1)
        }
        guard first < 0xF5, rest >= 4 else { return (broken, 1) }
        let (second, third, fourth) = (follower(1), follower(2), follower(3))
        guard second < 0x40, third < 0x40, fourth < 0x40 else { return (broken, 1) }
        let code = (first & 0x07) << 18 | second << 12 | third << 6 | fourth
        return code >= 0x10000 && code < 0x110000 ? (code, 4) : (broken, 1)
    }

    /// Where the character begins that ends before `place`, which is not 0.
    static func start(before place: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        for length in 1...4 where place >= length {
            let (code, found) = next(text, place - length)
            if found == length, code != broken { return place - length }
        }
        return place - 1
    }

    static func append(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
    }
}

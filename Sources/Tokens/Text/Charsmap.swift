/// The table by which SentencePiece normalises text: a double array of short texts, each with where its replacement lies.
struct Charsmap {
    private let units: [UInt32]
    private let replacements: [UInt8]
    /// Bytes of the longest replacement.
    let longest: Int

    /// - Returns: nil where the bytes are no such table.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 4 else { return nil }
        func unit(_ place: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * UInt32($1)) }
        }
        let size = Int(unit(0))
        guard size >= 4, size % 4 == 0, size <= bytes.count - 4 else { return nil }
        units = (0..<size / 4).map { unit(4 + 4 * $0) }
        replacements = Array(bytes[(4 + size)...])
        longest = replacements.split(separator: 0).map(\.count).max() ?? 0
    }

    /// What replaces `text`: the replacement of the shortest entry that `text` begins with; nil: it has none.
    func replacement(_ text: UnsafeBufferPointer<UInt8>) -> ArraySlice<UInt8>? {
        func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & (1 << 9)) >> 6)) }
        guard let root = units.first else { return nil }
        var place = offset(root)
        for byte in text {
            guard byte != 0 else { return nil }
            place ^= Int(byte)
            guard place < units.count else { return nil }
            let unit = units[place]
            guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
            place ^= offset(unit)
            if unit >> 8 & 1 == 1 {
                guard place < units.count else { return nil }
                let start = Int(units[place] & (1 << 31 - 1))
                guard start <= replacements.count else { return nil }
                let rest = replacements[start...]
                return rest.prefix { $0 != 0 }
            }
        }
        return nil
    }

    /// Normalises characters as a reader sees them where they are short, and code points elsewhere. A broken byte stays.
    func normalized(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var found: [UInt8] = []
        found.reserveCapacity(text.count)
        func piece(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: text[range]) }
        func appendScalar(_ range: Range<Int>) {
            if let replacement = replacement(piece(range)) {
                found.append(contentsOf: replacement)
            } else {
                found.append(contentsOf: text[range])
            }
        }
        var place = 0
        while place < text.count {
            let (code, length) = Scalars.next(text, place)
            // Two characters of ASCII are never one to a reader, but for the end of a line.
            if code < 0x80, place + 1 == text.count || text[place + 1] < 0x80 && code != 0x0D {
                appendScalar(place..<place + 1)
                place += 1
                continue
            }
            guard code != Scalars.broken else {
                found.append(text[place])
                place += 1
                continue
            }
            // A run up to the next two characters of ASCII, or a broken byte.
            var end = place + length
            while end < text.count, end - place < 256 {
                let (code, length) = Scalars.next(text, end)
                if code == Scalars.broken || code < 0x80 && text[end - 1] < 0x80 && text[end - 1] != 0x0D { break }
                end += length
            }
            var start = place
            let run = String(decoding: text[place..<end], as: UTF8.self)
            let isCut = end < text.count && end - place >= 256
            for character in run {
                let size = character.utf8.count
                // The last character of a run that was cut for its length is looked at again with what follows.
                if isCut, start + size == end, start > place { break }
                if size < 6, let replacement = replacement(piece(start..<start + size)) {
                    found.append(contentsOf: replacement)
                } else {
                    var inner = start
                    while inner < start + size {
                        let next = inner + Scalars.next(text, inner).length
                        appendScalar(inner..<next)
                        inner = next
                    }
                }
                start += size
            }
            place = start
        }
        return found
    }
}

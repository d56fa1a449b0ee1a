internal import Foundation

/// Unicode's normal form C. Text that is in it already is not copied through Foundation.
enum CanonicalComposition {
    /// Whether a character neither changes nor joins with one before it. Others may be so too.
    @inline(__always)
    private static func isInert(_ code: UInt32) -> Bool {
        if code < 0x300 { return true }
        if code >= 0x4E00 { return code <= 0x9FFF || code >= 0xAC00 && code <= 0xD7A3 || code == Scalars.broken }
        return code >= 0x3000 && code < 0x30FF && (code < 0x302A || code > 0x302F) && code != 0x3099 && code != 0x309A
            || code >= 0x2010 && code <= 0x2027 || code >= 0x0391 && code <= 0x0482 && code != 0x0387
            || code >= 0x1F300 && code <= 0x1FAFF || code >= 0xFF00 && code <= 0xFFEF
    }

    /// Characters that the `tokenizers` package does not know, whose tables are those of an older Unicode: they stay where they
    /// are, and nothing joins them.
    private static let unknown: Set<UInt32> = {
        let ranges: [ClosedRange<UInt32>] = [
            0x7FD...0x7FD, 0x897...0x89F, 0x8CA...0x8D3, 0x9FE...0x9FE, 0xC3C...0xC3C, 0xD3B...0xD3C, 0xEBA...0xEBA,
            0x1715...0x1715, 0x1ABF...0x1ADD, 0x1AE0...0x1AEB, 0x1DF6...0x1DFA, 0xA82C...0xA82C, 0x10D24...0x10D27,
            0x10D69...0x10D6D, 0x10EAB...0x10EAC, 0x10EFA...0x10EFB, 0x10EFD...0x10EFF, 0x10F46...0x10F50,
            0x10F82...0x10F85, 0x11070...0x11070, 0x1133B...0x1133B, 0x113CE...0x113D0, 0x1145E...0x1145E,
            0x11839...0x1183A, 0x11930...0x11930, 0x11935...0x11935, 0x1193D...0x1193E, 0x11943...0x11943,
            0x119E0...0x119E0, 0x11A34...0x11A34, 0x11A47...0x11A47, 0x11A99...0x11A99, 0x11D42...0x11D42,
            0x11D44...0x11D45, 0x11D97...0x11D97, 0x11F41...0x11F42, 0x1612F...0x1612F, 0x16FF0...0x16FF1,
            0x1E08F...0x1E08F, 0x1E130...0x1E136, 0x1E2AE...0x1E2AE, 0x1E2EC...0x1E2EF, 0x1E4EC...0x1E4EF,
            0x1E5EE...0x1E5EF, 0x1E6E3...0x1E6E3, 0x1E6E6...0x1E6E6, 0x1E6EE...0x1E6EF, 0x1E6F5...0x1E6F5,
        ]
        return Set(ranges.joined())
    }()

    static func normalized(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var found: [UInt8] = []
        found.reserveCapacity(text.count)
        // Bytes before `done` are in `found`; `last` is where the last inert character begins.
        var (place, done, last) = (0, 0, 0)
        while place < text.count {
            let (code, length) = text[place] < 0x80 ? (UInt32(text[place]), 1) : Scalars.next(text, place)
            if isInert(code) {
                last = code == Scalars.broken ? place + 1 : place
                place += length
                continue
            }
            // From the character before, which it may join, to the next inert one.
            if unknown.contains(code) {
                place += length
                last = place
                continue
            }
            let start = max(last, done)
            var end = place + length
            while end < text.count {
                let (code, length) = Scalars.next(text, end)
                if isInert(code) || unknown.contains(code) { break }
                end += length
            }
            found.append(contentsOf: text[done..<start])
            let part = String(decoding: text[start..<end], as: UTF8.self)
            found.append(contentsOf: part.precomposedStringWithCanonicalMapping.utf8)
            (done, place, last) = (end, end, end)
        }
        found.append(contentsOf: text[done...])
        return found
    }
}

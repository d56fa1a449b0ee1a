/// Unicode's normal form C (UAX 15). Foundation's loses marks in long rows of them.
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
            append(UnsafeBufferPointer(rebasing: text[start..<end]), to: &found)
            (done, place, last) = (end, end, end)
        }
        found.append(contentsOf: text[done...])
        return found
    }

    /// Decompositions and compositions, made once.
    private struct Tables: Sendable {
        /// Of a character its place in `parts`.
        let places: NumberTable
        let parts: [(UInt32, UInt32)]
        /// Of two characters the one they become.
        let compositions: NumberTable

        init() {
            let numbers = CompositionTables.decompositions
            let excluded = Set(CompositionTables.excluded)
            var code: UInt32 = 0
            var (places, compositions) = ([(key: UInt64, value: Int32)](), [(key: UInt64, value: Int32)]())
            var parts: [(UInt32, UInt32)] = []
            for start in stride(from: 0, to: numbers.count - 2, by: 3) {
                code += numbers[start]
                let (first, second) = (numbers[start + 1], numbers[start + 2])
                places.append((UInt64(code), Int32(truncatingIfNeeded: parts.count)))
                parts.append((first, second))
                if second != 0, !excluded.contains(code) {
                    compositions.append((UInt64(first) << 32 | UInt64(second), Int32(bitPattern: code)))
                }
            }
            self.places = NumberTable(places)
            self.parts = parts
            self.compositions = NumberTable(compositions)
        }
    }

    private static let tables = Tables()

    /// First code points and counts of Hangul's syllables and their parts.
    private enum Hangul {
        static let (first, lead, vowel, tail): (UInt32, UInt32, UInt32, UInt32) = (0xAC00, 0x1100, 0x1161, 0x11A7)
        static let (leads, vowels, tails): (UInt32, UInt32, UInt32) = (19, 21, 28)
        static let syllables = leads * vowels * tails
    }

    private static func decompose(_ code: UInt32, _ found: inout [UInt32]) {
        if code >= Hangul.first, code - Hangul.first < Hangul.syllables {
            let index = code - Hangul.first
            found.append(Hangul.lead + index / (Hangul.vowels * Hangul.tails))
            found.append(Hangul.vowel + index / Hangul.tails % Hangul.vowels)
            if index % Hangul.tails > 0 { found.append(Hangul.tail + index % Hangul.tails) }
            return
        }
        let place = tables.places.value(UInt64(code))
        guard place >= 0 else {
            found.append(code)
            return
        }
        let (first, second) = tables.parts[Int(place)]
        decompose(first, &found)
        if second != 0 { decompose(second, &found) }
    }

    private static func composed(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first >= Hangul.lead, first - Hangul.lead < Hangul.leads, second >= Hangul.vowel,
            second - Hangul.vowel < Hangul.vowels
        {
            return Hangul.first
                + ((first - Hangul.lead) * Hangul.vowels + second - Hangul.vowel) * Hangul.tails
        }
        if first >= Hangul.first, first - Hangul.first < Hangul.syllables, (first - Hangul.first) % Hangul.tails == 0,
            second > Hangul.tail, second - Hangul.tail < Hangul.tails
        {
            return first + second - Hangul.tail
        }
        let code = tables.compositions.value(UInt64(first) << 32 | UInt64(second))
        return code >= 0 ? UInt32(bitPattern: code) : nil
    }

    /// The combining class: by which marks on one letter are ordered.
    private static func order(_ code: UInt32) -> UInt8 {
        Unicode.Scalar(code)?.properties.canonicalCombiningClass.rawValue ?? 0
    }

    /// Appends the normal form of well-formed text.
    private static func append(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        var codes: [UInt32] = []
        var place = 0
        while place < text.count {
            let (code, length) = Scalars.next(text, place)
            decompose(code, &codes)
            place += length
        }
        var orders = codes.map(order)
        var start = 0
        while start < codes.count {
            var end = start
            while end < codes.count, orders[end] > 0 { end += 1 }
            if end - start > 1 {
                let sorted = (start..<end).sorted { (orders[$0], $0) < (orders[$1], $1) }
                let (newCodes, newOrders) = (sorted.map { codes[$0] }, sorted.map { orders[$0] })
                codes.replaceSubrange(start..<end, with: newCodes)
                orders.replaceSubrange(start..<end, with: newOrders)
            }
            start = end + 1
        }
        var kept: [UInt32] = []
        // Where the last letter is in `kept`, and the order of what was kept last behind it.
        var (letter, last): (Int?, UInt8) = (nil, 0)
        for (code, order) in zip(codes, orders) {
            if let place = letter, place == kept.count - 1 || last < order, let new = composed(kept[place], code) {
                kept[place] = new
                continue
            }
            if order == 0 { letter = kept.count }
            last = order
            kept.append(code)
        }
        for code in kept { if let scalar = Unicode.Scalar(code) { Scalars.append(scalar, to: &bytes) } }
    }
}

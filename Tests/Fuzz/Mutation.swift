import Numbers

/// Changes to the text of a valid input that leave most of its structure alone.
struct Mutation {
    /// Where a value or a key stands: bytes between separators.
    private struct Token {
        var range: Range<Int>
        var isNumber: Bool
    }

    /// Keys and names that inputs of this kind use.
    let words: [String]
    /// Other valid texts, whose lines are mixed in.
    let donors: [[UInt8]]
    /// Whether the language bears changed words and lines: JSON does not.
    var isLoose = true

    /// Numbers at the edges of what is read and computed.
    static let numbers = [
        "0", "1", "-1", "2", "3", "7", "8", "64", "1000", "65536", "1048576", "16777216", "100000000", "1000000000",
        "2147483647", "2147483648", "4294967296", "9007199254740993", "4611686018427387904", "9223372036854775807",
        "9223372036854775808", "-9223372036854775808", "18446744073709551615", "1e3", "1e9", "1e15", "1e18", "1e19",
        "1e30", "1e300", "1e-300", "-1e18", "0.5", "1e-9", "0.999999999", "1e400", "nan", "inf", "-0", "00", "010",
        "1_000", "1,000", "4K", "15T", "100P", "76 %", "0x10", "~", "null", "",
    ]

    /// One to four changes.
    func applied(to text: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var text = text
        // Mostly one: what two of them break together, one of them breaks alone.
        for _ in 0...(random.once(in: 3) ? random.below(4) : 0) { change(&text, &random) }
        return text
    }

    private func change(_ text: inout [UInt8], _ random: inout SplitMix64) {
        if !isLoose {
            switch random.below(4) {
            case 0: break
            case 1: return changeNumber(&text, &random)
            default: return swapNeighbours(&text, &random)
            }
        }
        switch random.below(20) {
        case 0..<9: changeNumber(&text, &random)
        case 9..<12: replaceToken(&text, number: false, with: random.pick(words), &random)
        case 12: replaceToken(&text, number: true, with: random.pick(words), &random)
        case 13: removeLine(&text, &random)
        case 14: repeatLine(&text, &random)
        case 15: swapNeighbours(&text, &random)
        case 16: takeLine(&text, from: random.pick(donors), &random)
        case 17: addEntry(&text, &random)
        default: changeBytes(&text, &random)
        }
    }

    private func changeNumber(_ text: inout [UInt8], _ random: inout SplitMix64) {
        let numbers = Self.tokens(text).filter(\.isNumber)
        guard !numbers.isEmpty else { return }
        let range = random.pick(numbers).range
        let old = String(decoding: text[range], as: UTF8.self)
        var new = random.pick(Self.numbers)
        if let whole = Int(old), !random.once(in: 3) {
            // Near the old value most of what follows still holds together.
            let choices = [
                whole &* 2, whole / 2, whole &+ 1, whole &- 1, whole &* 3, whole &* 8, whole &* 1024, whole &* whole,
            ]
            new = String(random.pick(choices))
        }
        text.replaceSubrange(range, with: Array(new.utf8))
    }

    private func replaceToken(_ text: inout [UInt8], number: Bool, with new: String, _ random: inout SplitMix64) {
        let tokens = Self.tokens(text).filter { $0.isNumber == number }
        guard !tokens.isEmpty else { return }
        text.replaceSubrange(random.pick(tokens).range, with: Array(new.utf8))
    }

    private func removeLine(_ text: inout [UInt8], _ random: inout SplitMix64) {
        text.removeSubrange(random.pick(Self.lines(text)))
    }

    private func repeatLine(_ text: inout [UInt8], _ random: inout SplitMix64) {
        let line = random.pick(Self.lines(text))
        text.insert(contentsOf: text[line], at: line.upperBound)
    }

    /// A value and the next one change places: an action list is often still one.
    private func swapNeighbours(_ text: inout [UInt8], _ random: inout SplitMix64) {
        let tokens = Self.tokens(text)
        guard tokens.count > 1 else { return }
        let first = random.below(tokens.count - 1)
        let (left, right) = (tokens[first].range, tokens[first + 1].range)
        text.replaceSubrange(
            left.lowerBound..<right.upperBound,
            with: text[right] + text[left.upperBound..<right.lowerBound] + text[left])
    }

    /// A line of another text in place of one of the same key, or beside any.
    private func takeLine(_ text: inout [UInt8], from donor: [UInt8], _ random: inout SplitMix64) {
        let line = donor[random.pick(Self.lines(donor))]
        let key = line.prefix { $0 != UInt8(ascii: ":") }
        let lines = Self.lines(text)
        if let same = lines.first(where: { text[$0].starts(with: key) }), key.count < line.count {
            text.replaceSubrange(same, with: line)
        } else {
            text.insert(contentsOf: line, at: random.pick(lines).lowerBound)
        }
    }

    /// A key and a value into a map.
    private func addEntry(_ text: inout [UInt8], _ random: inout SplitMix64) {
        let braces = text.indices.filter { text[$0] == UInt8(ascii: "{") }
        let value = random.once(in: 2) ? random.pick(words) : random.pick(Self.numbers)
        let entry = "\(random.pick(words)): \(value)"
        if braces.isEmpty {
            text += Array((entry + "\n").utf8)
        } else {
            text.insert(contentsOf: Array((entry + ", ").utf8), at: random.pick(braces) + 1)
        }
    }

    private func changeBytes(_ text: inout [UInt8], _ random: inout SplitMix64) {
        guard !text.isEmpty else { return }
        let place = random.below(text.count)
        switch random.below(5) {
        case 0: text[place] ^= 1 << UInt8(random.below(8))
        case 1: text.remove(at: place)
        case 2: text.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
        case 3: text.removeSubrange(place..<min(text.count, place + 1 + random.below(16)))
        default:
            text.insert(
                contentsOf: Array(random.pick(["[", "{", "- ", "&a ", "*a", "? ", "|", "\"", "#"]).utf8), at: place)
        }
    }

    /// The line ends belong to the lines; never empty.
    private static func lines(_ text: [UInt8]) -> [Range<Int>] {
        var lines: [Range<Int>] = []
        var start = 0
        for (index, byte) in text.enumerated() where byte == UInt8(ascii: "\n") {
            lines.append(start..<index + 1)
            start = index + 1
        }
        if start < text.count || lines.isEmpty { lines.append(start..<text.count) }
        return lines
    }

    private static func tokens(_ text: [UInt8]) -> [Token] {
        var tokens: [Token] = []
        var start: Int?
        func isPart(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
                UInt8(ascii: "+"):
                true
            default: false
            }
        }
        for index in 0...text.count {
            if index < text.count, isPart(text[index]) {
                start = start ?? index
            } else if let from = start {
                let first = text[from]
                tokens.append(Token(range: from..<index, isNumber: (48...57).contains(first) || first == 45))
                start = nil
            }
        }
        return tokens
    }
}

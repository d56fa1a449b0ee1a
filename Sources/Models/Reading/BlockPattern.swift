internal import Numbers
internal import Reading

/// Which block of a model is of which kind: names in the order of the blocks, such as `(local*5 global)*8`.
///
/// `*n` repeats a name or a group in brackets. A list of names means the same.
struct BlockPattern {
    private indirect enum Item {
        case name(String)
        case group([Item], times: Int)
    }

    private let items: [Item]
    /// Longest list of blocks that is written out.
    private static let longest = Bounds.layers.upperBound

    /// Reads `pattern`. nil, after a report of an invalid value, if there is none.
    init?(_ reader: FieldReader) {
        let text: String
        if let word = reader.word("pattern") {
            text = word
        } else {
            let words = reader.words("pattern")
            guard let words else { return nil }
            text = words.joined(separator: " ")
        }
        var parser = Parser(text)
        guard let items = parser.items(), parser.isAtEnd else {
            reader.report(
                "pattern", value: "'\(text.prefix(60))'",
                rule: "must be names of kinds, with *n behind a name or a group",
                fix: "e.g. (local*5 global)*8")
            return nil
        }
        self.items = items
    }

    /// The kind of every block, as an index into the model's kinds. nil, after a report, if a name is no kind's.
    func blocks(of model: Model, _ reader: FieldReader) -> [Int]? {
        let names = model.kinds.map(\.name)
        guard let blocks = Self.names(items) else {
            reader.report(
                "pattern", rule: "names more than the \(Figures.grouped(Self.longest)) blocks that a model may have")
            return nil
        }
        var wrong: [String] = []
        let kinds = blocks.compactMap { name -> Int? in
            let kind = names.firstIndex(of: name)
            if kind == nil, !wrong.contains(name) { wrong.append(name) }
            return kind
        }
        for name in wrong {
            reader.report(
                "pattern", value: "'\(name.prefix(60))'", rule: "is not a kind of block",
                fix: names.isEmpty
                    ? "describe it under kinds"
                    : Wording.didYouMean(name, among: names).isEmpty
                        ? "kinds: \(names.joined(separator: ", "))" : Wording.didYouMean(name, among: names))
        }
        return wrong.isEmpty ? kinds : nil
    }

    /// The names written out; nil if there are too many.
    private static func names(_ items: [Item]) -> [String]? {
        var all: [String] = []
        for item in items {
            switch item {
            case .name(let name): all.append(name)
            case .group(let items, let times):
                guard let names = names(items), names.count * times <= longest else { return nil }
                for _ in 0..<times { all += names }
            }
            if all.count > longest { return nil }
        }
        return all
    }

    /// Longest group that is looked for in a pattern, and most blocks before it.
    private static let longestGroup = 64
    private static let mostBefore = 16

    /// A short text of a pattern: its runs of equal blocks, and a group that repeats.
    static func text(_ blocks: [String]) -> String {
        /// The runs of equal names.
        func runs(_ blocks: ArraySlice<String>) -> String {
            var words: [String] = []
            var start = blocks.startIndex
            while start < blocks.endIndex {
                let end = blocks[start...].firstIndex { $0 != blocks[start] } ?? blocks.endIndex
                words.append(end - start > 1 ? "\(blocks[start])*\(end - start)" : blocks[start])
                start = end
            }
            return words.joined(separator: " ")
        }
        var best = runs(blocks[...])
        // A group that repeats from one of the first blocks on.
        for start in 0..<min(Self.mostBefore, blocks.count) {
            for period in 2...Self.longestGroup where start + 2 * period <= blocks.count {
                let group = blocks[start..<start + period]
                var end = start + period
                while end + period <= blocks.count, blocks[end..<end + period] == group { end += period }
                guard end > start + period else { continue }
                let text = [
                    runs(blocks[..<start]), "(\(runs(group)))*\((end - start) / period)", runs(blocks[end...]),
                ].filter { !$0.isEmpty }.joined(separator: " ")
                if text.count < best.count { best = text }
            }
        }
        return best
    }

    private struct Parser {
        private let characters: [Character]
        private var place = 0
        private var depth = 0

        init(_ text: String) { characters = Array(text) }

        var isAtEnd: Bool { place == characters.count }

        private mutating func skipSpace() {
            while place < characters.count, characters[place].isWhitespace || characters[place] == "," { place += 1 }
        }

        mutating func items() -> [Item]? {
            var items: [Item] = []
            while true {
                skipSpace()
                guard place < characters.count, characters[place] != ")" else { break }
                var item: [Item]
                if characters[place] == "(" {
                    guard depth < 16 else { return nil }
                    (place, depth) = (place + 1, depth + 1)
                    guard let inner = self.items(), place < characters.count, characters[place] == ")" else {
                        return nil
                    }
                    (place, depth) = (place + 1, depth - 1)
                    item = inner
                } else {
                    let start = place
                    while place < characters.count, !characters[place].isWhitespace, !"(),*".contains(characters[place])
                    {
                        place += 1
                    }
                    guard place > start else { return nil }
                    item = [.name(String(characters[start..<place]))]
                }
                var times = 1
                if place < characters.count, characters[place] == "*" {
                    place += 1
                    let start = place
                    while place < characters.count, characters[place].isASCII, characters[place].isNumber { place += 1 }
                    guard place - start <= 6, let count = Int(String(characters[start..<place])), count > 0 else {
                        return nil
                    }
                    times = count
                }
                items.append(times == 1 && item.count == 1 ? item[0] : .group(item, times: times))
            }
            return items.isEmpty ? nil : items
        }
    }
}

/// Texts that end an answer, wherever tokens begin and end in them.
package struct StopWords: Hashable, Sendable {
    package let words: [[UInt8]]
    private let longest: Int

    /// - Parameter words: none of them empty.
    package init(_ words: [[UInt8]]) {
        self.words = words.filter { !$0.isEmpty }
        longest = self.words.map(\.count).max() ?? 0
    }

    /// Where the first stop word begins.
    /// - Parameter known: bytes at the front that were looked through before.
    package func first(in text: [UInt8], known: Int = 0) -> Int? {
        guard longest > 0 else { return nil }
        for start in max(0, known - longest + 1)..<max(text.count, max(0, known - longest + 1)) {
            if words.contains(where: { text[start...].starts(with: $0) }) { return start }
        }
        return nil
    }

    /// Bytes at the end of a text that a stop word may begin with.
    package func openEnd(of text: [UInt8]) -> Int {
        guard longest > 1 else { return 0 }
        for count in stride(from: min(text.count, longest - 1), to: 0, by: -1) {
            let end = text.suffix(count)
            if words.contains(where: { $0.count > count && $0.starts(with: end) }) { return count }
        }
        return 0
    }
}

/// The ends of UTF-8 texts.
package enum CharacterEnd {
    /// Bytes at the end of a text that more bytes may make a character of.
    package static func open(_ text: some BidirectionalCollection<UInt8>) -> Int {
        var count = 0
        for byte in text.reversed() {
            count += 1
            // A byte that goes on with a character.
            if byte & 0xC0 == 0x80 {
                if count == 3 { return 0 }
                continue
            }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return length > count ? count : 0
        }
        return 0
    }
}

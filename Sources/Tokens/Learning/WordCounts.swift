/// How often each word occurs in a text that is read line by line, as the `tokenizers` package reads files.
package struct WordCounts: Sendable {
    package private(set) var counts: [[UInt8]: Int] = [:]
    /// Bytes read.
    package private(set) var bytes = 0
    private let rule: SplittingRule

    package init(rule: SplittingRule) { self.rule = rule }

    /// Adds the words of a text.
    /// - Parameter progress: called now and then with the bytes read of this text.
    package mutating func add(_ text: UnsafeBufferPointer<UInt8>, progress: (Int) -> Void = { _ in }) {
        var start = 0
        var shown = 0
        while start < text.count {
            var end = start
            while end < text.count, text[end] != 0x0A { end += 1 }
            end = min(text.count, end + 1)
            let line = UnsafeBufferPointer(rebasing: text[start..<end])
            let scanner = WordScanner(line, rule)
            var place = 0
            while place < line.count {
                let wordEnd = scanner.end(of: place)
                counts[Array(line[place..<wordEnd]), default: 0] += 1
                place = wordEnd
            }
            start = end
            if start - shown > 1 << 20 {
                progress(start)
                shown = start
            }
        }
        bytes += text.count
    }

    /// Adds the counts of another part of the text.
    package mutating func add(_ other: WordCounts) {
        counts.merge(other.counts, uniquingKeysWith: +)
        bytes += other.bytes
    }
}

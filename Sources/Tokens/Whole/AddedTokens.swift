/// A token that is found in the text itself, before anything is split.
package struct AddedToken: Hashable, Sendable {
    package var content: [UInt8]
    package var id: Int32
    package var singleWord = false
    package var stripsLeft = false
    package var stripsRight = false
    /// Whether it is looked for in normalised text.
    package var isNormalized = false
    package var isSpecial = false

    package init(_ content: String, id: Int32, isSpecial: Bool) {
        (self.content, self.id, self.isSpecial) = (Array(content.utf8), id, isSpecial)
    }

    init(content: [UInt8], id: Int32) { (self.content, self.id) = (content, id) }
}

/// Finds added tokens: of those that begin first, the longest.
struct AddedTokenFinder: Sendable {
    /// Longest token in bytes, so that a file cannot make the search slow.
    static let longest = 1024

    private let tokens: [AddedToken]
    private let children: NumberTable
    /// The token that ends at each node; -1: none.
    private let ends: [Int32]
    private let firsts: [Bool]
    let isEmpty: Bool

    /// - Parameter tokens: each with the bytes to look for, which are not empty.
    init(_ tokens: [(bytes: [UInt8], token: AddedToken)]) {
        var built: [UInt64: Int32] = [:]
        var ends: [Int32] = [-1]
        var firsts = [Bool](repeating: false, count: 256)
        for (index, entry) in tokens.enumerated() {
            var node: Int32 = 0
            for byte in entry.bytes {
                let key = UInt64(node) << 8 | UInt64(byte)
                if let next = built[key] {
                    node = next
                } else {
                    node = Int32(truncatingIfNeeded: ends.count)
                    built[key] = node
                    ends.append(-1)
                }
            }
            guard let first = entry.bytes.first else { continue }
            firsts[Int(first)] = true
            ends[Int(node)] = Int32(truncatingIfNeeded: index)
        }
        self.tokens = tokens.map(\.token)
        self.ends = ends
        self.firsts = firsts
        children = NumberTable(built.map { ($0.key, $0.value) })
        isEmpty = built.isEmpty
    }

    /// Cuts a text into stretches without tokens and tokens, in order.
    func split(_ text: UnsafeBufferPointer<UInt8>, _ take: (Range<Int>, Int32?) -> Void) {
        if text.isEmpty { return }
        if isEmpty { return take(0..<text.count, nil) }
        var (place, kept) = (0, 0)
        firsts.withUnsafeBufferPointer { firsts in
            while place < text.count {
                guard firsts[Int(text[place])] else {
                    place += 1
                    continue
                }
                guard let (index, length) = longest(text, place) else {
                    place += 1
                    continue
                }
                let token = tokens[index]
                var (start, end) = (place, place + length)
                place = end
                if token.singleWord, !standsAlone(text, start, end) { continue }
                let classes = CharacterClasses.all
                while token.stripsLeft, start > kept {
                    let before = Scalars.start(before: start, in: text)
                    guard before >= kept, classes.kind(Scalars.next(text, before).code) == .space else { break }
                    start = before
                }
                // A token before may have taken the same spaces already.
                if token.stripsRight { end = max(end, kept) }
                while token.stripsRight, end < text.count {
                    let (code, length) = Scalars.next(text, end)
                    guard classes.kind(code) == .space else { break }
                    end += length
                }
                if kept < start { take(kept..<start, nil) }
                take(min(start, end)..<end, token.id)
                kept = end
            }
        }
        if kept < text.count { take(kept..<text.count, nil) }
    }

    private func longest(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> (index: Int, length: Int)? {
        var found: (Int, Int)?
        var node: Int32 = 0
        var place = start
        while place < text.count {
            node = children.value(UInt64(node) << 8 | UInt64(text[place]))
            guard node >= 0 else { break }
            place += 1
            if ends[Int(node)] >= 0 { found = (Int(ends[Int(node)]), place - start) }
        }
        return found
    }

    private func standsAlone(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
        func isWord(_ place: Int) -> Bool {
            guard let scalar = Unicode.Scalar(Scalars.next(text, place).code) else { return false }
            if scalar.properties.isAlphabetic || scalar.properties.isJoinControl { return true }
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
            default: return false
            }
        }
        return (start == 0 || !isWord(Scalars.start(before: start, in: text))) && (end == text.count || !isWord(end))
    }
}

/// Learns merges as the `tokenizers` package's trainer does: always the pair that occurs most, of equals the one of the lowest
/// numbers. Numbers go to special tokens, then to the characters that stand for bytes, then to merges in order.
///
/// Where two merges in turn make the same token beside the same neighbour, that package's order follows its heap; here the
/// earlier one comes first. Its counts wrap round beyond 2³¹, ours do not.
package struct BytePairTraining {
    package struct Result: Sendable {
        /// The texts of the tokens in the order of their numbers, as a vocabulary writes them.
        package var vocabulary: [[UInt8]]
        /// The numbers of each pair, in the order of merging.
        package var merges: [(left: Int32, right: Int32)]
        package var special: [String]
    }

    private var words: [[Int32]] = []
    private var counts: [Int] = []
    private var pairCounts: [UInt64: Int] = [:]
    private var texts: [[UInt8]] = []
    private var ids: [[UInt8]: Int32] = [:]
    private var heap: [Candidate] = []

    /// A pair with the words in which it came up.
    private struct Candidate {
        var count: Int
        var pair: UInt64
        var words: [Int32]

        /// Whether it is merged before another.
        func precedes(_ other: Candidate) -> Bool {
            count != other.count ? count > other.count : pair < other.pair
        }
    }

    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// - Parameters:
    ///   - vocabulary: tokens to reach; fewer are learned where no pair is left.
    ///   - least: how often a pair must occur.
    ///   - progress: called now and then with the tokens so far.
    package static func train(
        _ counts: WordCounts, vocabulary: Int, least: Int = 0, special: [String], progress: (Int) -> Void = { _ in }
    ) -> Result {
        var training = BytePairTraining(counts, special: special)
        return training.run(vocabulary: vocabulary, least: least, special: special, progress: progress)
    }

    private init(_ counts: WordCounts, special: [String]) {
        for token in special { _ = number(of: Array(token.utf8)) }
        let alphabet = ByteLevelAlphabet.scalars.sorted { $0.value < $1.value }
        for scalar in alphabet {
            var text: [UInt8] = []
            Scalars.append(scalar, to: &text)
            _ = number(of: text)
        }
        let bytes = ByteLevelAlphabet.scalars.map { scalar in
            var text: [UInt8] = []
            Scalars.append(scalar, to: &text)
            return number(of: text)
        }
        for (word, count) in counts.counts {
            words.append(word.map { bytes[Int($0)] })
            self.counts.append(count)
        }
    }

    private mutating func number(of text: [UInt8]) -> Int32 {
        if let id = ids[text] { return id }
        let id = Int32(truncatingIfNeeded: texts.count)
        ids[text] = id
        texts.append(text)
        return id
    }

    private mutating func run(vocabulary: Int, least: Int, special: [String], progress: (Int) -> Void) -> Result {
        var found: [UInt64: [Int32]] = [:]
        for (index, word) in words.enumerated() where word.count > 1 {
            for place in 0..<word.count - 1 {
                let pair = Self.pair(word[place], word[place + 1])
                pairCounts[pair, default: 0] += counts[index]
                Self.note(index, pair, &found)
            }
        }
        offer(found)
        // Of a pair that is merged twice, the later rank counts.
        var (ranks, order) = ([UInt64: Int](), [UInt64]())
        while texts.count < vocabulary, var top = heap.first {
            let count = pairCounts[top.pair] ?? 0
            if top.count != count {
                // The count has fallen since the pair was noted.
                top.count = count
                heap[0] = top
                sink(0)
                continue
            }
            removeFirst()
            if count < 1 || count < least { break }
            let (left, right) = (
                Int32(truncatingIfNeeded: top.pair >> 32), Int32(truncatingIfNeeded: top.pair & 0xFFFF_FFFF)
            )
            let new = number(of: texts[Int(left)] + texts[Int(right)])
            ranks[top.pair] = order.count
            order.append(top.pair)
            found = [:]
            for word in top.words { merge(Int(word), left, right, new, &found) }
            offer(found)
            if order.count % 256 == 0 { progress(texts.count) }
        }
        let merges = order.enumerated().filter { ranks[$1] == $0 }.map { _, pair in
            (left: Int32(truncatingIfNeeded: pair >> 32), right: Int32(truncatingIfNeeded: pair & 0xFFFF_FFFF))
        }
        return Result(vocabulary: texts, merges: merges, special: special)
    }

    private static func note(_ word: Int, _ pair: UInt64, _ found: inout [UInt64: [Int32]]) {
        let word = Int32(truncatingIfNeeded: word)
        // Words come one after the other.
        if found[pair]?.last != word { found[pair, default: []].append(word) }
    }

    private mutating func merge(
        _ index: Int, _ left: Int32, _ right: Int32, _ new: Int32, _ found: inout [UInt64: [Int32]]
    ) {
        let (word, count) = (words[index], counts[index])
        guard word.count > 1 else { return }
        var kept: [Int32] = []
        kept.reserveCapacity(word.count)
        func change(_ first: Int32, _ second: Int32, _ sign: Int) {
            let pair = Self.pair(first, second)
            pairCounts[pair, default: 0] += sign * count
            if sign > 0 { Self.note(index, pair, &found) }
        }
        var place = 0
        while place < word.count {
            guard word[place] == left, place + 1 < word.count, word[place + 1] == right else {
                kept.append(word[place])
                place += 1
                continue
            }
            if let before = kept.last {
                change(before, left, -1)
                change(before, new, 1)
            }
            kept.append(new)
            place += 2
            if place < word.count {
                change(right, word[place], -1)
                change(new, word[place], 1)
            }
        }
        words[index] = kept
    }

    // MARK: The heap

    private mutating func offer(_ found: [UInt64: [Int32]]) {
        for (pair, words) in found {
            let count = pairCounts[pair] ?? 0
            guard count > 0 else { continue }
            heap.append(Candidate(count: count, pair: pair, words: words))
            var child = heap.count - 1
            while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
                heap.swapAt(child, (child - 1) / 2)
                child = (child - 1) / 2
            }
        }
    }

    private mutating func removeFirst() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        sink(0)
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(heap[parent]) else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}

/// Which two neighbouring tokens become one, and which pairs come first.
struct MergeRules: Sendable {
    /// Ranks must fit beside a position in one number.
    static let most = 1 << 24

    private let ranks: NumberTable
    /// The token that the pair of each rank becomes.
    private let results: [Int32]
    var count: Int { results.count }

    /// - Parameter merges: in order; of a pair that occurs twice, the last counts.
    init(_ merges: [(left: Int32, right: Int32, result: Int32)]) {
        ranks = NumberTable(
            merges.enumerated().map { (Self.key($1.left, $1.right), Int32(truncatingIfNeeded: $0)) })
        results = merges.map(\.result)
    }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// The rank of a pair; -1: it is never merged.
    @inline(__always)
    func rank(_ left: Int32, _ right: Int32) -> Int32 { ranks.value(Self.key(left, right)) }

    func result(_ rank: Int32) -> Int32 { results[Int(rank)] }
}

/// Merges the symbols of one word, with buffers that are used again for the next.
final class Merger {
    private let rules: MergeRules
    /// Words up to this length are searched for the next pair, longer ones keep pairs in a heap.
    private static let short = 96
    /// Longest word in symbols: positions lie beside ranks in one number. Longer ones are cut here.
    static let longest = 1 << 31 - 1

    private var pairs: [Int32] = []
    private var (before, behind): ([Int32], [Int32]) = ([], [])
    private var heap: [UInt64] = []

    init(_ rules: MergeRules) { self.rules = rules }

    /// Replaces `symbols` by what is left of them: always the pair of the lowest rank first, of equals the first.
    func merge(_ symbols: inout [Int32]) {
        if symbols.count < 2 { return }
        if symbols.count <= Self.short {
            mergeShort(&symbols)
        } else if symbols.count <= Self.longest {
            mergeLong(&symbols)
        } else {
            var whole: [Int32] = []
            for start in stride(from: 0, to: symbols.count, by: Self.longest) {
                var part = Array(symbols[start..<min(symbols.count, start + Self.longest)])
                merge(&part)
                whole += part
            }
            symbols = whole
        }
    }

    private func mergeShort(_ symbols: inout [Int32]) {
        var count = symbols.count
        if pairs.count < Self.short { pairs = [Int32](repeating: -1, count: Self.short) }
        symbols.withUnsafeMutableBufferPointer { symbols in
            pairs.withUnsafeMutableBufferPointer { pairs in
                for place in 0..<count - 1 { pairs[place] = rules.rank(symbols[place], symbols[place + 1]) }
                while count > 1 {
                    // As unsigned numbers, pairs without a rank come last.
                    var (best, lowest) = (0, UInt32.max)
                    for place in 0..<count - 1 {
                        let rank = UInt32(bitPattern: pairs[place])
                        if rank < lowest { (best, lowest) = (place, rank) }
                    }
                    guard lowest != .max else { break }
                    symbols[best] = rules.result(Int32(bitPattern: lowest))
                    var place = best + 1
                    while place + 1 < count {
                        symbols[place] = symbols[place + 1]
                        pairs[place - 1] = pairs[place]
                        place += 1
                    }
                    // The loop has shifted the pairs by one as well: the pair behind is made anew.
                    count -= 1
                    if best + 1 < count { pairs[best] = rules.rank(symbols[best], symbols[best + 1]) }
                    if best > 0 { pairs[best - 1] = rules.rank(symbols[best - 1], symbols[best]) }
                }
            }
        }
        symbols.removeLast(symbols.count - count)
    }

    private func mergeLong(_ symbols: inout [Int32]) {
        let count = symbols.count
        before = (0..<count).map { Int32(truncatingIfNeeded: $0 - 1) }
        behind = (0..<count).map { Int32(truncatingIfNeeded: $0 + 1 == count ? -1 : $0 + 1) }
        heap.removeAll(keepingCapacity: true)
        for place in 0..<count - 1 {
            let rank = rules.rank(symbols[place], symbols[place + 1])
            if rank >= 0 { heap.append(UInt64(rank) << 32 | UInt64(place)) }
        }
        if heap.count > 1 { for place in (0..<heap.count / 2).reversed() { sink(place) } }
        while let top = heap.first {
            let last = heap.removeLast()
            if !heap.isEmpty {
                heap[0] = last
                sink(0)
            }
            let place = Int(top & 0xFFFF_FFFF)
            let rank = Int32(truncatingIfNeeded: top >> 32)
            // A symbol that was merged into the one before it is -1, and its pair has gone.
            guard symbols[place] >= 0, behind[place] >= 0 else { continue }
            let right = Int(behind[place])
            guard rules.rank(symbols[place], symbols[right]) == rank else { continue }
            symbols[place] = rules.result(rank)
            symbols[right] = -1
            behind[place] = behind[right]
            if behind[right] >= 0 {
                before[Int(behind[right])] = Int32(truncatingIfNeeded: place)
                push(place, rules.rank(symbols[place], symbols[Int(behind[right])]))
            }
            if before[place] >= 0 {
                let left = Int(before[place])
                push(left, rules.rank(symbols[left], symbols[place]))
            }
        }
        symbols.removeAll { $0 < 0 }
    }

    private func push(_ place: Int, _ rank: Int32) {
        guard rank >= 0 else { return }
        heap.append(UInt64(rank) << 32 | UInt64(place))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child] < heap[parent] else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private func sink(_ start: Int) {
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < heap[parent] else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}

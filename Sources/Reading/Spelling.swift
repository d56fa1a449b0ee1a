/// Finds the word somebody probably meant.
package enum Spelling {
    /// The known word nearest to `word`, or nil when even the nearest is too far away to be a slip.
    ///
    /// Case, hyphens and underscores cost nothing, so `kv_heads` finds `kvHeads`.
    package static func nearest(to word: String, among known: [String]) -> String? {
        let wanted = folded(word)
        guard !wanted.isEmpty else { return nil }
        var best: (word: String, distance: Int)?
        for candidate in known {
            let distance = distance(wanted, folded(candidate))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= max(1, wanted.count / 3) else { return nil }
        return best.word
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`
    /// (Damerau–Levenshtein, optimal string alignment). O(|a|·|b|).
    package static func distance(_ a: String, _ b: String) -> Int {
        // A name longer than this is no slip of a key; it also bounds the work on hostile input.
        let a = Array(a.utf8.prefix(64))
        let b = Array(b.utf8.prefix(64))
        var beforePrevious = [Int](repeating: 0, count: b.count + 1)
        var previous = Array(0...b.count)
        for i in a.indices {
            var current = [i + 1]
            for j in b.indices {
                var cost = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforePrevious[j - 1] + 1) }
                current.append(cost)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[b.count]
    }

    private static func folded(_ word: String) -> String {
        word.lowercased().filter { $0 != "-" && $0 != "_" }
    }
}

/// Corrects spelling: finds the known word that was probably meant.
package enum Spelling {
    /// The known word nearest to `word`; nil if even the nearest is too different to be a typing error.
    ///
    /// Case, hyphens and underscores do not count, so `kv_heads` finds `kvHeads`.
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

    /// The number of insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`
    /// (Damerau–Levenshtein, optimal string alignment). O(|a|·|b|).
    package static func distance(_ a: String, _ b: String) -> Int {
        // A key is never longer than 64 bytes, and the limit bounds the work on hostile input.
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

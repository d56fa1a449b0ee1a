/// The next tokens of one sequence, to be read in one pass of the model.
package struct SequencePart: Hashable, Sendable {
    /// Which of the caller's sequences it is.
    package var sequence: Int
    /// The place of its keys and values.
    package var slot: Int
    package var tokens: [Int32]
    /// Position of the first token. The slot holds the tokens before it.
    package var start: Int
    /// The tokens behind which logits are wanted, counted from `start`.
    package var wanted: Range<Int>

    package init(sequence: Int, slot: Int, tokens: [Int32], start: Int, wanted: Range<Int>) {
        (self.sequence, self.slot, self.tokens, self.start, self.wanted) = (sequence, slot, tokens, start, wanted)
    }
}

/// Parts of several sequences that go through the model together, one behind the other: its products then have as many rows as
/// there are tokens, and each sequence has its own attention.
struct ReadingPass {
    struct Entry {
        var part: SequencePart
        /// Its rows of the pass.
        var rows: Range<Int>
    }

    let entries: [Entry]
    /// The token and the position of every row. The last rows may belong to no sequence.
    let tokens: [Int32]
    let positions: [Int32]

    var rows: Int { tokens.count }
    /// Rows that belong to sequences.
    var filled: Int { entries.last?.rows.upperBound ?? 0 }

    /// - Parameter multiple: the number of rows is a multiple of it, and at least that: ranks that share the rows of experts get
    ///   equally many, also where there is nothing to read.
    init(_ parts: [SequencePart], multiple: Int) {
        var (entries, tokens, positions): ([Entry], [Int32], [Int32]) = ([], [], [])
        for part in parts {
            entries.append(Entry(part: part, rows: tokens.count..<tokens.count + part.tokens.count))
            tokens += part.tokens
            positions += part.tokens.indices.map { Int32(truncatingIfNeeded: part.start + $0) }
        }
        let rows = max(1, (tokens.count + multiple - 1) / multiple) * multiple
        let padding = [Int32](repeating: 0, count: rows - tokens.count)
        (self.entries, self.tokens, self.positions) = (entries, tokens + padding, positions + padding)
    }

    /// Puts parts into as few passes of at most `rows` tokens as their order allows.
    static func packed(_ parts: [SequencePart], rows: Int) -> [[SequencePart]] {
        var passes: [[SequencePart]] = []
        var used = 0
        for part in parts {
            if passes.isEmpty || used + part.tokens.count > rows {
                passes.append([])
                used = 0
            }
            passes[passes.count - 1].append(part)
            used += part.tokens.count
        }
        return passes
    }
}

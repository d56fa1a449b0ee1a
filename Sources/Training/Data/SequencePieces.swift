/// Which tokens of every sequence a context-parallel rank holds: piece r and piece 2c−1−r of 2c equal ones, so that with
/// causal attention every rank has as much to do as the others (zigzag; Llama 3, Dubey et al. 2024, section 3.3.2).
package struct SequencePieces: Hashable, Sendable {
    package let rank: Int
    package let size: Int
    /// Tokens of a whole sequence; with `size` above 1 a multiple of 2 · size.
    package let sequence: Int

    package init(sequence: Int, rank: Int = 0, size: Int = 1) {
        self.sequence = sequence
        self.rank = rank
        self.size = size
    }

    /// Tokens this rank holds.
    package var length: Int { sequence / size }
    /// Tokens of one of the two pieces.
    package var half: Int { sequence / (2 * size) }

    /// The place in the whole sequence of local token `index`.
    package func position(ofLocal index: Int) -> Int {
        guard size > 1 else { return index }
        return index < half ? rank * half + index : (2 * size - 1 - rank) * half + index - half
    }
}

/// The tokens of every sequence that a context-parallel rank holds: rank r of c holds pieces r and 2c−1−r of 2c equal ones.
/// With causal attention all ranks then have the same work (zigzag; Llama 3, Dubey et al. 2024, section 3.3.2).
package struct SequencePieces: Hashable, Sendable {
    package let rank: Int
    package let size: Int
    /// Tokens of a whole sequence. With `size` above 1 it is a multiple of 2 · size.
    package let sequence: Int

    package init(sequence: Int, rank: Int = 0, size: Int = 1) {
        self.sequence = sequence
        self.rank = rank
        self.size = size
    }

    /// Tokens of a sequence that this rank holds.
    package var length: Int { sequence / size }
    /// Tokens of one of the two pieces.
    package var half: Int { sequence / (2 * size) }

    /// The place in the whole sequence of local token `index`.
    package func position(ofLocal index: Int) -> Int {
        guard size > 1 else { return index }
        return index < half ? rank * half + index : (2 * size - 1 - rank) * half + index - half
    }
}

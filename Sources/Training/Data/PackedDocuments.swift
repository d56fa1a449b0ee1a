/// The documents of the sequences of one micro-batch. A token sees those before it in its own document, and positions begin
/// again with every document (Megatron-LM, `--reset-attention-mask --reset-position-ids`).
package struct PackedDocuments: Hashable, Sendable {
    /// The documents of each sequence, by places in the sequence.
    package let ranges: [[Range<Int>]]
    /// The position of every token in its document, sequence by sequence.
    package let positions: [Int32]

    /// - Parameters:
    ///   - tokens: the input tokens of all sequences, one behind the other.
    ///   - length: tokens of a sequence.
    ///   - end: the token that ends a document, and belongs to it.
    package init(tokens: UnsafePointer<Int32>, sequences: Int, length: Int, end: Int32) {
        var ranges: [[Range<Int>]] = []
        var positions: [Int32] = []
        positions.reserveCapacity(sequences * length)
        for sequence in 0..<sequences {
            var own: [Range<Int>] = []
            var start = 0
            for place in 0..<length {
                positions.append(Int32(place - start))
                if tokens[sequence * length + place] == end || place == length - 1 {
                    own.append(start..<place + 1)
                    start = place + 1
                }
            }
            ranges.append(own)
        }
        (self.ranges, self.positions) = (ranges, positions)
    }

    /// Tokens of any sequences, one behind the other, of which only the positions are known.
    init(positions: [Int32]) { (ranges, self.positions) = ([], positions) }
}

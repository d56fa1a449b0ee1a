/// The recurrence of a token mixer, which carries a state of fixed size along the sequence.
///
/// Its work for a token does not depend on the length of the sequence. Kernels take chunks of tokens: inside a chunk
/// every token meets those before it, as in attention, and between chunks the state is passed on (Yang et al. 2023,
/// gated linear attention, section 2.2; Dao and Gu 2024, section 6).
package struct Scan: Hashable, Sendable {
    /// Tokens of a chunk; nil: the recurrence is elementwise work, among the kernels of its part.
    package var chunk: Int?
    /// Multiply-adds of a token and one token before it in its chunk.
    var pairs = Sized.none
    /// All other multiply-adds of a token: into the state, out of it, and of the convolution.
    var token = Sized.none
    /// Numbers of one sequence's state that a rank hands to other ranks of the sequence.
    package var state: Int
    /// Tensors that the kernels of a forward read and write.
    package var traffic: [Stored] = []

    /// A backward computes the chunks' states again, and moves every tensor and its gradient.
    package static let backwardTraffic = 3.0

    /// Multiply-adds of one token of a sequence of `length` tokens, over all tensor ranks. A token meets half of its
    /// chunk: kernels leave out the tokens behind it.
    package func work(length: Double) -> Double {
        guard let chunk else { return Double(token.value) }
        return min(Double(chunk), length) / 2 * Double(pairs.value) + Double(token.value)
    }

    /// The formula of `work`. Letters: s tokens of a sequence, q_m tokens of a chunk.
    package var words: String {
        chunk == nil ? token.words : "min(q_m, s)/2·\(pairs.factor) + \(token.words)"
    }

    package var sizes: [SizeSymbol] { chunk.map { [SizeSymbol("q_m", $0, "tokens of a chunk")] } ?? [] }
}

extension Scan {
    /// Adds traffic of a forward: `rows` of every token, and, if there are any, the states of all chunks in fp32, each
    /// written, passed on to the next chunk, and read.
    mutating func addTraffic(_ rows: [Stored], statesInFP32 states: Sized = .none) {
        traffic += rows
        guard !states.isNone, let chunk else { return }
        traffic.append(Stored(Extent(.all, cut: states.value), .single, times: 4 / Double(chunk)))
    }
}

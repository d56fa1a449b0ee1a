package import Models
internal import Plans
internal import Tensors

/// The sizes of one micro-batch inside a stage on one rank. With tensor parallelism these are the rank's heads, feed-forward
/// columns and vocabulary entries, with context parallelism its pieces of every sequence. Letters: `ShapeLetters`.
package struct MicrobatchShape: Hashable, Sendable {
    /// B.
    package var sequences: Int
    /// L: the tokens of each sequence that this rank holds.
    package var sequence: Int
    /// Positions of a whole sequence, over all ranks.
    package var positions: Int
    /// H.
    package var hidden: Int
    /// N.
    package var heads: Int
    /// K.
    package var kvHeads: Int
    /// D.
    package var headSize: Int
    /// Keys that a query sees; nil: all before it.
    package var window: Int?
    /// Whether every head of queries and keys is normalised; with means if norms have a shift.
    package var normsHeads: Bool
    package var normsHaveMeans: Bool
    /// F of a dense block; 0 where every block has experts.
    package var ffn: Int
    /// Whether the feed-forward's first product makes gate and up side by side.
    package var isGated: Bool
    /// V.
    package var vocab: Int
    /// E; 0 for a dense model.
    package var experts: Int
    /// C; 0 for a dense model.
    package var chosenExperts: Int
    /// F of the shared experts; 0 for a dense model.
    package var sharedWidth: Int
    /// R / S: the tensor degree with sequence parallelism, else 1.
    package var rowParts: Int
    /// R / T: the tensor degree.
    package var tokenParts: Int
    /// P.
    package var expertPieces: Int

    package init(
        model: Model, sequences: Int, sequence: Int? = nil, tensor: Int = 1, sequenceParallel: Bool = false,
        context: Int = 1, expertPieces: Int = 1
    ) {
        self.sequences = sequences
        self.sequence = sequence ?? model.sequence / context
        positions = model.sequence
        hidden = model.hidden
        heads = model.heads / tensor
        kvHeads = model.kvHeads / tensor
        headSize = model.headSize
        window = model.block.window.flatMap { $0 < model.sequence ? $0 : nil }
        normsHeads = model.block.qkNorm == .head
        normsHaveMeans = model.conventions.norm.hasShift
        ffn = model.denseLayers > 0 ? model.ffn / tensor : 0
        isGated = model.mlp.isGated
        vocab = model.vocab / tensor
        experts = model.moe?.experts ?? 0
        chosenExperts = model.moe?.topK ?? 0
        sharedWidth = (model.moe?.sharedWidth ?? 0) / tensor
        rowParts = sequenceParallel ? tensor : 1
        tokenParts = tensor
        self.expertPieces = expertPieces
    }

    /// The attention of `sequences` pieces of `queries` tokens to as many of `keys` tokens.
    /// - Parameter isOwn: whether queries and keys are at the same positions; otherwise all keys come first.
    func attention(sequences: Int, queries: Int, keys: Int, isOwn: Bool = true) -> AttentionShape {
        AttentionShape(
            batch: sequences, queries: queries, keys: keys, heads: heads, keyValueHeads: kvHeads, headSize: headSize,
            mask: isOwn ? window.map { .sliding(window: $0) } ?? .causal(ahead: 0) : .full)
    }

    /// R: the tokens of the micro-batch, which are the rows inside attention and feed-forward.
    package var rows: Int { sequences * sequence }
    /// S: the rows of the residual stream on this rank.
    package var streamRows: Int { rows / rowParts }
    /// T: the tokens that this rank routes to experts.
    package var routedRows: Int { rows / tokenParts }
    /// N · D: the columns of queries and of attention's output.
    package var width: Int { heads * headSize }
    /// (N + 2K) · D: the columns of queries, keys and values side by side.
    package var qkvWidth: Int { (heads + 2 * kvHeads) * headSize }
    /// (N + K) · D: the columns of queries and keys, which meet.
    package var meetingWidth: Int { (heads + kvHeads) * headSize }
    /// K · D: the columns of keys, and of values.
    package var keyWidth: Int { kvHeads * headSize }
    /// The columns of a feed-forward's first product, where the second has `inner`.
    package func expandedWidth(_ inner: Int) -> Int { isGated ? 2 * inner : inner }
    /// The numbers of the tensor [S, H] that crosses a stage boundary.
    package var boundaryCount: Int { streamRows * hidden }
}

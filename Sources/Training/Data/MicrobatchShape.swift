package import Models
internal import Plans

/// Sizes of one micro-batch inside a stage on one rank: with tensor parallelism its heads, feed-forward columns and
/// vocabulary entries; with context parallelism its pieces of every sequence.
package struct MicrobatchShape: Hashable, Sendable {
    package var sequences: Int
    /// Tokens of each sequence that this rank holds.
    package var sequence: Int
    /// Positions of a whole sequence, over all ranks.
    package var positions: Int
    package var hidden: Int
    package var heads: Int
    package var kvHeads: Int
    package var headSize: Int
    /// This rank's feed-forward columns; 0 where every block has experts.
    package var ffn: Int
    /// Whether the feed-forward's first product makes gate and input side by side.
    package var isGated: Bool
    package var vocab: Int
    /// Experts of a block, how many of them a token takes, and this rank's columns of the shared ones; 0 for a dense model.
    package var experts: Int
    package var chosenExperts: Int
    package var sharedWidth: Int
    /// Parts the rows are cut into between the matrix products: the tensor degree with sequence parallelism, else 1.
    package var rowParts: Int
    /// Parts the tokens are cut into on their way to experts: the tensor degree.
    package var tokenParts: Int
    /// Parts an expert's matrices are cut into.
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

    /// Tokens of the micro-batch: the rows inside attention and feed-forward.
    package var rows: Int { sequences * sequence }
    /// Rows of the residual stream on this rank.
    package var streamRows: Int { rows / rowParts }
    /// Tokens that this rank routes to experts.
    package var routedRows: Int { rows / tokenParts }
    /// Columns of the queries and of the attention's output.
    package var width: Int { heads * headSize }
    /// Columns of queries, keys and values side by side.
    package var qkvWidth: Int { (heads + 2 * kvHeads) * headSize }
    /// Columns of keys, and of values.
    package var keyWidth: Int { kvHeads * headSize }
    /// Columns of the first product of a feed-forward of `inner` columns.
    package func expandedWidth(_ inner: Int) -> Int { isGated ? 2 * inner : inner }
    /// Elements of the tensor that crosses a stage boundary, `[streamRows, hidden]`.
    package var boundaryCount: Int { streamRows * hidden }
}

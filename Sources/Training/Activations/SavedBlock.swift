internal import Plans
internal import Tensors

/// The feed-forward that a block has.
package enum FeedForwardKind: Hashable {
    case dense, mixture
}

/// The tensors that one block saves of one micro-batch from its forward to its backward. Letters: `ShapeLetters`.
///
/// The outputs of the two norms and of the activation cost next to nothing to make again: the norms' from their inputs and
/// statistics, the activation's in the pass of its gradient. Dense blocks do not save them. Split backwards do, which need
/// them once more, and so do blocks with experts, whose routers and experts read them.
struct SavedBlock {
    /// The residual stream at the block's input [S, H]. A stage's first block is given a boundary buffer.
    var input: Matrix
    /// Output of the first norm [S, H]; nil where it is not saved.
    let normed1: Matrix?
    /// Queries, keys and values side by side [R, (N + 2K) · D]. Their gradient after the first half of a split backward.
    let qkv: Matrix
    /// Queries and keys before the norms of their heads; nil without such norms.
    let heads: SavedHeads?
    /// Attention's output before its projection [R, N · D].
    let attention: Matrix
    /// Logarithm of every softmax's denominator [B · N, L].
    let logSumExp: Matrix
    /// The residual stream after attention [S, H]. Its gradient after the first half of a split backward.
    let middle: Matrix
    /// Output of the second norm [S, H]; nil where it is not saved.
    let normed2: Matrix?
    /// The feed-forward's inner columns before the activation [R, F], or gate and up [R, 2F]. Their gradient after the
    /// backward has passed.
    let expanded: Matrix
    /// The activation's output [R, F]; nil where it is not saved.
    let activated: Matrix?
    /// Gradient of the block's output [S, H], from the first half of a split backward to the second; nil elsewhere.
    let outputGradient: Matrix?
    /// The tensors of a block with experts; nil in dense blocks.
    let mixture: SavedMixture?
    let statistics1: NormStatistics
    let statistics2: NormStatistics

    /// Takes the tensors from `kept`, and those that are rebuilt in the backward from `rebuilt`.
    /// - Parameter savesOutputs: whether the outputs of norms and activation are saved where they need not be.
    init(
        kept: inout Arena, rebuilt: inout Arena, shape: MicrobatchShape, isFirst: Bool, kind: FeedForwardKind,
        recompute: Layout.Recompute, splitsBackward: Bool, mixture: SavedMixture?, savesOutputs: Bool
    ) {
        self.mixture = mixture
        let savesOutputs = savesOutputs || recompute == .full || splitsBackward || kind == .mixture
        // Beside its experts a block has only the shared ones' columns.
        let inner = kind == .dense ? shape.ffn : shape.sharedWidth
        let (rows, streamRows, hidden) = (shape.rows, shape.streamRows, shape.hidden)
        // The input of a stage's first block comes with every micro-batch.
        input = kept.take(rows: isFirst ? 0 : streamRows, columns: hidden)
        func take(
            _ rows: Int, _ columns: Int, isAttention: Bool = false, _ kept: inout Arena, _ rebuilt: inout Arena
        ) -> Matrix {
            let isRebuilt = recompute == .full || (recompute == .selective && isAttention)
            return isRebuilt ? rebuilt.take(rows: rows, columns: columns) : kept.take(rows: rows, columns: columns)
        }
        normed1 = savesOutputs ? take(streamRows, hidden, &kept, &rebuilt) : nil
        qkv = take(rows, shape.qkvWidth, &kept, &rebuilt)
        heads =
            !shape.normsHeads
            ? nil
            : recompute == .full
                ? SavedHeads(arena: &rebuilt, shape: shape) : SavedHeads(arena: &kept, shape: shape)
        attention = take(rows, shape.width, isAttention: true, &kept, &rebuilt)
        logSumExp = take(shape.sequences * shape.heads, shape.sequence, isAttention: true, &kept, &rebuilt)
        middle = take(streamRows, hidden, &kept, &rebuilt)
        normed2 = savesOutputs ? take(streamRows, hidden, &kept, &rebuilt) : nil
        expanded = take(rows, shape.expandedWidth(inner), &kept, &rebuilt)
        activated = savesOutputs ? take(rows, inner, &kept, &rebuilt) : nil
        outputGradient = splitsBackward ? take(streamRows, hidden, &kept, &rebuilt) : nil
        statistics1 =
            recompute == .full
            ? NormStatistics(arena: &rebuilt, rows: streamRows) : NormStatistics(arena: &kept, rows: streamRows)
        statistics2 =
            recompute == .full
            ? NormStatistics(arena: &rebuilt, rows: streamRows) : NormStatistics(arena: &kept, rows: streamRows)
    }

    private init(_ whole: SavedBlock, _ shape: MicrobatchShape) {
        let (rows, streamRows) = (0..<shape.rows, 0..<shape.streamRows)
        input = whole.input.rows(streamRows)
        normed1 = whole.normed1?.rows(streamRows)
        qkv = whole.qkv.rows(rows)
        heads = whole.heads?.first(shape.rows)
        attention = whole.attention.rows(rows)
        logSumExp = whole.logSumExp.rows(0..<shape.sequences * shape.heads).columns(0..<shape.sequence)
        middle = whole.middle.rows(streamRows)
        normed2 = whole.normed2?.rows(streamRows)
        expanded = whole.expanded.rows(rows)
        activated = whole.activated?.rows(rows)
        outputGradient = whole.outputGradient?.rows(streamRows)
        (mixture, statistics1, statistics2) = (whole.mixture, whole.statistics1, whole.statistics2)
    }

    /// The first rows of every tensor, for a micro-batch of fewer tokens.
    func first(_ shape: MicrobatchShape) -> SavedBlock { SavedBlock(self, shape) }
}

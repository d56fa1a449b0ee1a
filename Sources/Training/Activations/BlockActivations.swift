internal import Plans

/// What one block keeps of one micro-batch between its forward and its backward. R rows, S rows of the stream, H hidden,
/// D attention width, F ffn.
struct BlockActivations {
    /// Block input, the residual stream `[S, H]`; a stage's first block is given a boundary buffer.
    var input: UnsafeMutablePointer<Float>
    /// First norm's output `[S, H]`; derived in dense blocks, see `Derived`.
    let normed1: UnsafeMutablePointer<Float>
    /// Queries, keys, values side by side `[R, qkvWidth]`; after a split backward's first half their gradient.
    let qkv: UnsafeMutablePointer<Float>
    /// Attention output before its projection `[R, D]`.
    let attention: UnsafeMutablePointer<Float>
    /// log-sum-exp of every attention row `[sequences, heads, sequence]`.
    let logSumExp: UnsafeMutablePointer<Float>
    /// Residual stream after attention `[S, H]`; after a split backward's first half the gradient there.
    let middle: UnsafeMutablePointer<Float>
    /// Second norm's output `[S, H]`; derived in dense blocks.
    let normed2: UnsafeMutablePointer<Float>
    /// Pre-activation with its bias, `[R, F]`, or gate and input `[R, 2F]`; after a split backward's first half its gradient.
    let expanded: UnsafeMutablePointer<Float>
    /// The activation's output `[R, F]`; derived in dense blocks.
    let activated: UnsafeMutablePointer<Float>
    /// Gradient of the block's output `[S, H]`, from a split backward's first half to its second.
    let outputGradient: UnsafeMutablePointer<Float>
    /// What a block with experts keeps besides; nil in dense ones.
    let mixture: MixtureActivations?
    let statistics1: NormStatistics
    let statistics2: NormStatistics

    /// Whether norms' and activation's outputs lie in scratch that every block uses.
    let isDerived: Bool

    /// Scratch for what is made again in the backward rather than kept, since it costs next to nothing there: the norms'
    /// outputs from their inputs, the activation's in the same pass as its gradient. Not with split backwards, which
    /// need them later still, nor in blocks with experts, whose routers and experts read them.
    struct Derived {
        /// `[S, H]`.
        var normed: UnsafeMutablePointer<Float>
        /// `[R, F]`.
        var activated: UnsafeMutablePointer<Float>
    }

    /// Which feed-forward a block has.
    enum Kind: Hashable {
        case dense, mixture
    }

    /// Carves the tensors out of `kept`, and those that are rebuilt in the backward out of `rebuilt`.
    init(
        kept: inout Arena, rebuilt: inout Arena, shape: MicrobatchShape, isFirst: Bool, kind: Kind,
        recompute: Layout.Recompute, splitsBackward: Bool, mixture: MixtureActivations?,
        derived: Derived? = nil
    ) {
        self.mixture = mixture
        let derived = recompute == .full || splitsBackward || kind == .mixture ? nil : derived
        isDerived = derived != nil
        // Beside its experts a block has only the shared ones' columns.
        let inner = kind == .dense ? shape.ffn : shape.sharedWidth
        let boundary = shape.boundaryCount
        let (rows, width) = (shape.rows, shape.width)
        // The input of a stage's first block comes with every micro-batch.
        input = kept.take(isFirst ? 0 : boundary)
        func take(_ count: Int, isCore: Bool = false, _ kept: inout Arena, _ rebuilt: inout Arena)
            -> UnsafeMutablePointer<Float>
        {
            let isRebuilt = recompute == .full || (recompute == .selective && isCore)
            return isRebuilt ? rebuilt.take(count) : kept.take(count)
        }
        normed1 = derived?.normed ?? take(boundary, &kept, &rebuilt)
        qkv = take(rows * shape.qkvWidth, &kept, &rebuilt)
        attention = take(rows * width, isCore: true, &kept, &rebuilt)
        logSumExp = take(shape.sequences * shape.heads * shape.sequence, isCore: true, &kept, &rebuilt)
        middle = take(boundary, &kept, &rebuilt)
        normed2 = derived?.normed ?? take(boundary, &kept, &rebuilt)
        expanded = take(rows * shape.expandedWidth(inner), &kept, &rebuilt)
        activated = derived?.activated ?? take(rows * inner, &kept, &rebuilt)
        outputGradient = take(splitsBackward ? boundary : 0, &kept, &rebuilt)
        statistics1 =
            recompute == .full
            ? NormStatistics(arena: &rebuilt, rows: shape.streamRows)
            : NormStatistics(arena: &kept, rows: shape.streamRows)
        statistics2 =
            recompute == .full
            ? NormStatistics(arena: &rebuilt, rows: shape.streamRows)
            : NormStatistics(arena: &kept, rows: shape.streamRows)
    }
}

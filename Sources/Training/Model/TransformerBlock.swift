internal import MPI
internal import Plans
internal import Tensors

/// One pre-norm block on one rank:
///
///     x ─┬─► norm₁ ─► W_qkv ─► attention ─► W_o ─┬─ + ─┬─► norm₂ ─► W₁ ─► activation ─► W₂ ─┬─ + ─► y
///        └───────────────────────────────────────┘     └────────────────────────────────────┘
///
/// With tensor parallelism W_qkv and W₁ hold a slice of their columns, W_o and W₂ the rows that belong to it, and each
/// branch ends in a sum over the ranks (`TensorParallel`). R rows, S rows of the stream, H hidden.
struct TransformerBlock {
    let unit: ParameterUnit
    let norm1: NormLayer
    let qkv: LinearLayer
    let projection: LinearLayer
    let norm2: NormLayer
    let feedForward: any FeedForwardBranch
    /// What of this block is computed again in the backward.
    let recomputed: Layout.Recompute
    let context: StageContext

    /// The attention branch from `kept.normed1`; its output, without the projection's bias, goes to `context.delta`
    /// `[S, H]`.
    func attentionForward(_ kept: BlockActivations, shape: MicrobatchShape) throws(MPIError) {
        let (tensor, profile, rows) = (context.tensor, context.profile, shape.rows)
        let x = try tensor.gather(kept.normed1, rows: rows, width: shape.hidden)
        qkv.forward(x, into: kept.qkv, rows: rows, addsBias: true, profile)
        context.attention.rotate(kept.qkv, shape: shape)
        try context.attention.forward(
            qkv: kept.qkv, output: kept.attention, logSumExp: kept.logSumExp, shape: shape)
        projection.forward(
            kept.attention, into: tensor.partial(of: context.delta), rows: rows, addsBias: false, profile)
        try tensor.sum(rows: rows, width: shape.hidden, into: context.delta)
    }

    /// The stream after the attention branch, and its norm.
    func joinAttention(_ kept: BlockActivations, shape: MicrobatchShape) {
        norm2.addForward(
            kept.input, context.delta, bias: projection.bias, sum: kept.middle, into: kept.normed2, kept.statistics2,
            rows: shape.streamRows, context.profile)
    }

    /// Rebuilds what the layout does not keep, before `backward`.
    func recompute(_ kept: BlockActivations, shape: MicrobatchShape) throws(MPIError) {
        switch recomputed {
        case .none: break
        case .selective:
            try context.attention.forward(
                qkv: kept.qkv, output: kept.attention, logSumExp: kept.logSumExp, shape: shape)
        case .full:
            norm1.forward(kept.input, into: kept.normed1, kept.statistics1, rows: shape.streamRows, context.profile)
            try attentionForward(kept, shape: shape)
            joinAttention(kept, shape: shape)
            try feedForward.recompute(kept, shape: shape)
        }
    }

    /// Turns `gradient` `[S, H]`, by the block's output, into the gradient by its input. Weight gradients of the
    /// matrices are added now, or left to `weightGradients` with all they need kept; those of the norms always are.
    func backward(
        _ kept: BlockActivations, gradient: UnsafeMutablePointer<Float>, weightsLater: Bool
    ) throws(MPIError) {
        let (shape, profile) = (context.shape, context.profile)
        if kept.isDerived {
            norm2.apply(kept.middle, kept.statistics2, into: kept.normed2, rows: shape.streamRows, profile)
        }
        try feedForward.backward(kept, gradient: gradient, weightsLater: weightsLater)
        norm2.backward(
            dy: context.delta, x: kept.middle, kept.statistics2, dx: gradient, rows: shape.streamRows, accumulate: true,
            profile)
        try attentionBackward(kept, gradient: gradient, weightsLater: weightsLater)
        norm1.backward(
            dy: context.delta, x: kept.input, kept.statistics1, dx: gradient, rows: shape.streamRows, accumulate: true,
            profile)
    }

    /// The attention branch's input gradient, before norm₁, goes to `context.delta`.
    private func attentionBackward(
        _ kept: BlockActivations, gradient: UnsafeMutablePointer<Float>, weightsLater: Bool
    ) throws(MPIError) {
        let (shape, tensor, profile) = (context.shape, context.tensor, context.profile)
        let (rows, hidden) = (shape.rows, shape.hidden)
        let dy = try tensor.gather(gradient, rows: rows, width: hidden)
        // A rebuilt attention output is gone when the second half of a split backward comes.
        if !weightsLater || recomputed == .selective {
            projection.weightGradient(kept.attention, dy, rows: rows, profile)
        } else {
            // The norm behind it has read the stream: its place keeps the gradient.
            kept.middle.update(from: gradient, count: shape.boundaryCount)
        }
        projection.inputGradient(dy, into: context.narrow, rows: rows, profile)
        try context.attention.backward(
            qkv: kept.qkv, output: kept.attention, dOutput: context.narrow, logSumExp: kept.logSumExp,
            dqkv: context.wide, shape: shape)
        context.attention.rotateBack(context.wide, shape: shape)
        if weightsLater {
            kept.qkv.update(from: context.wide, count: rows * shape.qkvWidth)
        } else {
            if kept.isDerived {
                norm1.apply(kept.input, kept.statistics1, into: kept.normed1, rows: shape.streamRows, profile)
            }
            let x = try tensor.gather(kept.normed1, rows: rows, width: hidden)
            qkv.weightGradient(x, context.wide, rows: rows, profile)
        }
        qkv.inputGradient(context.wide, into: tensor.partial(of: context.delta), rows: rows, profile)
        try tensor.sum(rows: rows, width: hidden, into: context.delta)
    }

    /// The second half of a split backward.
    func weightGradients(_ kept: BlockActivations) throws(MPIError) {
        let (shape, tensor, profile) = (context.shape, context.tensor, context.profile)
        let (rows, hidden) = (shape.rows, shape.hidden)
        try feedForward.weightGradients(kept)
        if recomputed != .selective {
            let dy = try tensor.gather(kept.middle, rows: rows, width: hidden)
            projection.weightGradient(kept.attention, dy, rows: rows, profile)
        }
        let x = try tensor.gather(kept.normed1, rows: rows, width: hidden)
        qkv.weightGradient(x, kept.qkv, rows: rows, profile)
    }
}

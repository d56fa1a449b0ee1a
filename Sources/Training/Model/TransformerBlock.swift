internal import MPI
internal import Plans
internal import Tensors

/// One pre-norm block on one rank. Letters: `ShapeLetters`.
///
///     x ─┬─► norm₁ ─► W_qkv ─► attention ─► W_o ─┬─ + ─┬─► norm₂ ─► W₁ ─► activation ─► W₂ ─┬─ + ─► y
///        └───────────────────────────────────────┘     └────────────────────────────────────┘
///
/// With tensor parallelism W_qkv and W₁ hold a slice of their columns, W_o and W₂ the rows that belong to it, and each
/// branch ends in a sum over the ranks (`TensorParallel`).
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

    /// Runs the block from `kept.input`. A branch that comes from the block before joins the stream first, which is then
    /// written to `kept.input`.
    /// - Returns: the feed-forward branch, which has yet to join the stream.
    func forward(_ kept: BlockActivations, joining branch: PendingBranch?) throws(MPIError) -> PendingBranch {
        let normed1 = kept.normed1 ?? context.scratch.narrow(like: kept.input)
        if let branch {
            norm1.joinForward(branch, sum: kept.input, into: normed1, kept.statistics1, context.profile)
        } else {
            norm1.forward(kept.input, into: normed1, kept.statistics1, context.profile)
        }
        let normed2 = joinAttention(try attention(normed1, kept), kept)
        return PendingBranch(
            stream: kept.middle, output: try feedForward.forward(normed2, kept), bias: feedForward.outputBias)
    }

    /// The attention branch. normed [S, H]: the first norm's output.
    private func attention(_ normed: Matrix, _ kept: BlockActivations) throws(MPIError) -> PendingBranch {
        let (tensor, profile) = (context.tensor, context.profile)
        qkv.forward(try tensor.gather(normed), into: kept.qkv, addsBias: true, profile)
        context.attention.rotate(kept.qkv, length: kept.logSumExp.columns)
        try context.attention.forward(qkv: kept.qkv, output: kept.attention, logSumExp: kept.logSumExp)
        let output = context.scratch.narrow(like: normed)
        try tensor.sum(into: output) { part in
            projection.forward(kept.attention, into: part, addsBias: false, profile)
        }
        return PendingBranch(stream: kept.input, output: output, bias: projection.bias)
    }

    /// Joins the attention branch with the stream.
    /// - Returns: the second norm's output [S, H].
    private func joinAttention(_ branch: PendingBranch, _ kept: BlockActivations) -> Matrix {
        let normed = kept.normed2 ?? context.scratch.narrow(like: kept.middle)
        norm2.joinForward(branch, sum: kept.middle, into: normed, kept.statistics2, context.profile)
        return normed
    }

    /// Rebuilds what the layout does not keep, before `backward`.
    func recompute(_ kept: BlockActivations) throws(MPIError) {
        switch recomputed {
        case .none: break
        case .selective:
            try context.attention.forward(qkv: kept.qkv, output: kept.attention, logSumExp: kept.logSumExp)
        case .full:
            let normed1 = kept.normed1 ?? context.scratch.narrow(like: kept.input)
            norm1.forward(kept.input, into: normed1, kept.statistics1, context.profile)
            let normed2 = joinAttention(try attention(normed1, kept), kept)
            try feedForward.recompute(normed2, kept)
        }
    }

    /// gradient [S, H]: turns the gradient by the block's output into the gradient by its input. Weight gradients of the
    /// matrices are added now, or left to `weightGradients` with all they need kept. Those of the norms are always added.
    func backward(_ kept: BlockActivations, gradient: Matrix, weightsLater: Bool) throws(MPIError) {
        let profile = context.profile
        let normed2 = output(kept.normed2, of: norm2, kept.middle, kept.statistics2)
        let dNormed2 = try feedForward.backward(
            kept, normed: normed2, gradient: gradient, weightsLater: weightsLater)
        norm2.backward(
            dy: dNormed2, x: kept.middle, kept.statistics2, dx: gradient, accumulate: true, profile)
        let dNormed1 = try attentionBackward(kept, gradient: gradient, weightsLater: weightsLater)
        norm1.backward(
            dy: dNormed1, x: kept.input, kept.statistics1, dx: gradient, accumulate: true, profile)
    }

    /// x [S, H]: a norm's output, made again in scratch memory where it is not `saved`.
    private func output(_ saved: Matrix?, of norm: NormLayer, _ x: Matrix, _ statistics: NormStatistics) -> Matrix {
        if let saved { return saved }
        let made = context.scratch.narrow(like: x)
        norm.apply(x, statistics, into: made, context.profile)
        return made
    }

    /// gradient [S, H]: by the stream behind the attention branch.
    /// - Returns: the gradient by the first norm's output [S, H], in scratch memory.
    private func attentionBackward(
        _ kept: BlockActivations, gradient: Matrix, weightsLater: Bool
    ) throws(MPIError) -> Matrix {
        let (tensor, profile, scratch) = (context.tensor, context.profile, context.scratch)
        let dy = try tensor.gather(gradient)
        // A rebuilt attention output is gone when the second half of a split backward comes.
        if !weightsLater || recomputed == .selective {
            projection.weightGradient(kept.attention, dy, profile)
        } else {
            // The norm behind it has read the stream: its place keeps the gradient.
            kept.middle.copy(from: gradient)
        }
        let dAttention = scratch.narrow(like: kept.attention)
        projection.inputGradient(dy, into: dAttention, profile)
        let dqkv = scratch.wide(rows: kept.qkv.rows, columns: kept.qkv.columns)
        try context.attention.backward(
            qkv: kept.qkv, output: kept.attention, dOutput: dAttention, logSumExp: kept.logSumExp, dqkv: dqkv)
        context.attention.rotateBack(dqkv, length: kept.logSumExp.columns)
        if weightsLater {
            kept.qkv.copy(from: dqkv)
        } else {
            let normed = output(kept.normed1, of: norm1, kept.input, kept.statistics1)
            qkv.weightGradient(try tensor.gather(normed), dqkv, profile)
        }
        let dNormed = scratch.narrow(like: gradient)
        try tensor.sum(into: dNormed) { part in qkv.inputGradient(dqkv, into: part, profile) }
        return dNormed
    }

    /// The second half of a split backward.
    func weightGradients(_ kept: BlockActivations) throws(MPIError) {
        let (tensor, profile) = (context.tensor, context.profile)
        try feedForward.weightGradients(kept)
        if recomputed != .selective {
            projection.weightGradient(kept.attention, try tensor.gather(kept.middle), profile)
        }
        guard let normed = kept.normed1 else { preconditionFailure("a split backward keeps the norms' outputs") }
        qkv.weightGradient(try tensor.gather(normed), kept.qkv, profile)
    }
}

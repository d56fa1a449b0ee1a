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
    /// The block's weights: those that training changes, then frozen ones.
    let units: [ParameterUnit]
    /// Whether a backward passes the block.
    let passesGradient: Bool
    let norm1: NormLayer
    let qkv: LinearLayer
    /// The norms of queries and keys; nil without.
    let headNorms: HeadNorms?
    let projection: LinearLayer
    let norm2: NormLayer
    let feedForward: any FeedForwardBranch
    /// The part of this block that is computed again in the backward.
    let recomputed: Layout.Recompute
    let context: StageContext

    /// Runs the block from `saved.input`. A branch that comes from the block before joins the stream first, which is then
    /// written to `saved.input`.
    /// - Parameter attend: writes `saved.attention` of `saved.qkv`, positions included; nil: the context's attention does.
    /// - Returns: the feed-forward branch, which has yet to join the stream.
    func forward(
        _ saved: SavedBlock, joining branch: PendingBranch?, attend: ((SavedBlock) -> Void)? = nil
    ) throws(MPIError) -> PendingBranch {
        let normed1 = saved.normed1 ?? context.scratch.narrow(like: saved.input)
        if let branch {
            norm1.joinForward(branch, sum: saved.input, into: normed1, saved.statistics1, context.profile)
        } else {
            norm1.forward(saved.input, into: normed1, saved.statistics1, context.profile)
        }
        let normed2 = joinAttention(try attention(normed1, saved, attend: attend), saved)
        return PendingBranch(
            stream: saved.middle, output: try feedForward.forward(normed2, saved), bias: feedForward.outputBias)
    }

    /// The attention branch. normed [S, H]: the first norm's output.
    private func attention(
        _ normed: Matrix, _ saved: SavedBlock, attend: ((SavedBlock) -> Void)? = nil
    ) throws(MPIError) -> PendingBranch {
        let (tensor, profile) = (context.tensor, context.profile)
        qkv.forward(try tensor.gather(normed), into: saved.qkv, addsBias: true, profile)
        if let headNorms, let heads = saved.heads { headNorms.forward(saved.qkv, heads, profile) }
        if let attend {
            attend(saved)
        } else {
            context.attention.rotate(saved.qkv, length: saved.logSumExp.columns)
            try context.attention.forward(qkv: saved.qkv, output: saved.attention, logSumExp: saved.logSumExp)
        }
        let output = context.scratch.narrow(like: normed)
        try tensor.sum(into: output) { part in
            projection.forward(saved.attention, into: part, addsBias: false, profile)
        }
        return PendingBranch(stream: saved.input, output: output, bias: projection.bias)
    }

    /// Joins the attention branch with the stream.
    /// - Returns: the second norm's output [S, H].
    private func joinAttention(_ branch: PendingBranch, _ saved: SavedBlock) -> Matrix {
        let normed = saved.normed2 ?? context.scratch.narrow(like: saved.middle)
        norm2.joinForward(branch, sum: saved.middle, into: normed, saved.statistics2, context.profile)
        return normed
    }

    /// Rebuilds the tensors that the layout does not keep, before `backward`.
    func recompute(_ saved: SavedBlock) throws(MPIError) {
        switch recomputed {
        case .none: break
        case .selective:
            try context.attention.forward(qkv: saved.qkv, output: saved.attention, logSumExp: saved.logSumExp)
        case .full:
            let normed1 = saved.normed1 ?? context.scratch.narrow(like: saved.input)
            norm1.forward(saved.input, into: normed1, saved.statistics1, context.profile)
            let normed2 = joinAttention(try attention(normed1, saved), saved)
            try feedForward.recompute(normed2, saved)
        }
    }

    /// gradient [S, H]: turns the gradient by the block's output into the gradient by its input. Weight gradients of the
    /// matrices are added now, or left to `weightGradients` with all they need saved. Those of the norms are always added.
    func backward(_ saved: SavedBlock, gradient: Matrix, weightsLater: Bool) throws(MPIError) {
        let profile = context.profile
        let normed2 = output(saved.normed2, of: norm2, saved.middle, saved.statistics2)
        let dNormed2 = try feedForward.backward(
            saved, normed: normed2, gradient: gradient, weightsLater: weightsLater)
        norm2.backward(
            dy: dNormed2, x: saved.middle, saved.statistics2, dx: gradient, accumulate: true, profile)
        let dNormed1 = try attentionBackward(saved, gradient: gradient, weightsLater: weightsLater)
        norm1.backward(
            dy: dNormed1, x: saved.input, saved.statistics1, dx: gradient, accumulate: true, profile)
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
        _ saved: SavedBlock, gradient: Matrix, weightsLater: Bool
    ) throws(MPIError) -> Matrix {
        let (tensor, profile, scratch) = (context.tensor, context.profile, context.scratch)
        let dy = try tensor.gather(gradient)
        // A rebuilt attention output is gone when the second half of a split backward comes.
        if !weightsLater || recomputed == .selective {
            projection.weightGradient(saved.attention, dy, profile)
        } else {
            // The norm behind it has read the stream: its place keeps the gradient.
            saved.middle.copy(from: gradient)
        }
        let dAttention = scratch.narrow(like: saved.attention)
        projection.inputGradient(dy, into: dAttention, profile)
        let dqkv = scratch.wide(rows: saved.qkv.rows, columns: saved.qkv.columns)
        try context.attention.backward(
            qkv: saved.qkv, output: saved.attention, dOutput: dAttention, logSumExp: saved.logSumExp, dqkv: dqkv)
        context.attention.rotateBack(dqkv, length: saved.logSumExp.columns)
        if let headNorms, let heads = saved.heads { headNorms.backward(dqkv, heads, profile) }
        if weightsLater {
            saved.qkv.copy(from: dqkv)
        } else {
            let normed = output(saved.normed1, of: norm1, saved.input, saved.statistics1)
            qkv.weightGradient(try tensor.gather(normed), dqkv, profile)
        }
        let dNormed = scratch.narrow(like: gradient)
        try tensor.sum(into: dNormed) { part in qkv.inputGradient(dqkv, into: part, profile) }
        return dNormed
    }

    /// The second half of a split backward.
    func weightGradients(_ saved: SavedBlock) throws(MPIError) {
        let (tensor, profile) = (context.tensor, context.profile)
        try feedForward.weightGradients(saved)
        if recomputed != .selective {
            projection.weightGradient(saved.attention, try tensor.gather(saved.middle), profile)
        }
        guard let normed = saved.normed1 else { preconditionFailure("a split backward keeps the norms' outputs") }
        qkv.weightGradient(try tensor.gather(normed), saved.qkv, profile)
    }
}

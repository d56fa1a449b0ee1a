/// What one block keeps of one micro-batch between its forward and its backward. R rows, H hidden, F ffn.
struct BlockActivations {
    /// Block input, the residual stream `[R, H]`; a stage's first block is given a boundary buffer.
    var input: UnsafeMutablePointer<Float>
    /// First norm's output `[R, H]`.
    let normed1: UnsafeMutablePointer<Float>
    /// Queries, keys, values side by side `[R, 3H]`.
    let qkv: UnsafeMutablePointer<Float>
    /// Attention output before its projection `[R, H]`.
    let attention: UnsafeMutablePointer<Float>
    /// log-sum-exp of every attention row `[sequences, heads, sequence]`.
    let logSumExp: UnsafeMutablePointer<Float>
    /// Residual stream after attention `[R, H]`.
    let middle: UnsafeMutablePointer<Float>
    /// Second norm's output `[R, H]`.
    let normed2: UnsafeMutablePointer<Float>
    /// Pre-activation with its bias `[R, F]`.
    let expanded: UnsafeMutablePointer<Float>
    /// GELU's output `[R, F]`.
    let activated: UnsafeMutablePointer<Float>
    /// Means and inverse deviations of the two norms, `[R]` each.
    let mean1: UnsafeMutablePointer<Float>
    let inverse1: UnsafeMutablePointer<Float>
    let mean2: UnsafeMutablePointer<Float>
    let inverse2: UnsafeMutablePointer<Float>

    /// Carves the tensors out of `arena`; the input of a stage's first block comes with every micro-batch.
    init(arena: inout Arena, shape: MicrobatchShape, isFirst: Bool) {
        let boundary = shape.boundaryCount
        input = arena.take(isFirst ? 0 : boundary)
        normed1 = arena.take(boundary)
        qkv = arena.take(3 * boundary)
        attention = arena.take(boundary)
        logSumExp = arena.take(shape.sequences * shape.heads * shape.sequence)
        middle = arena.take(boundary)
        normed2 = arena.take(boundary)
        expanded = arena.take(shape.rows * shape.ffn)
        activated = arena.take(shape.rows * shape.ffn)
        mean1 = arena.take(shape.rows)
        inverse1 = arena.take(shape.rows)
        mean2 = arena.take(shape.rows)
        inverse2 = arena.take(shape.rows)
    }
}

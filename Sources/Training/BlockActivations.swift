internal import Tensors

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

/// Everything a stage keeps of one micro-batch in flight; R rows, H hidden, V vocabulary.
final class StageActivations {
    private let storage: FloatStorage
    private(set) var blocks: [BlockActivations]
    /// What the last stage keeps of its norm and head; nil elsewhere.
    let head: HeadActivations?

    /// Final norm, logits and loss of one micro-batch.
    struct HeadActivations {
        /// Output of the last block `[R, H]`.
        let input: UnsafeMutablePointer<Float>
        let normed: UnsafeMutablePointer<Float>
        let mean: UnsafeMutablePointer<Float>
        let inverse: UnsafeMutablePointer<Float>
        /// Logits, turned in place into their gradient `[R, V]`.
        let logits: UnsafeMutablePointer<Float>

        init(arena: inout Arena, shape: MicrobatchShape) {
            input = arena.take(shape.boundaryCount)
            normed = arena.take(shape.boundaryCount)
            mean = arena.take(shape.rows)
            inverse = arena.take(shape.rows)
            logits = arena.take(shape.rows * shape.vocab)
        }
    }

    /// Room for one micro-batch of `shape` through `count` ≥ 1 blocks.
    init(shape: MicrobatchShape, blocks count: Int, isLast: Bool) {
        func carve(_ arena: inout Arena) -> ([BlockActivations], HeadActivations?) {
            let blocks = (0..<count).map { BlockActivations(arena: &arena, shape: shape, isFirst: $0 == 0) }
            return (blocks, isLast ? HeadActivations(arena: &arena, shape: shape) : nil)
        }
        var counting = Arena()
        _ = carve(&counting)
        storage = FloatStorage(count: counting.used)
        var arena = Arena(storage)
        (blocks, head) = carve(&arena)
    }

    /// The stage's input `[R, H]`: a boundary buffer that stays with the micro-batch until its backward.
    var input: UnsafeMutablePointer<Float> {
        get { blocks[0].input }
        set { blocks[0].input = newValue }
    }
}

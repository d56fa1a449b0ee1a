internal import Tensors

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

internal import Plans
internal import Tensors

/// Everything a stage keeps of one micro-batch in flight; S rows of the stream, R rows, H hidden, V vocabulary.
///
/// With recomputation the blocks' tensors that are rebuilt lie in memory of their own: one block's worth that all blocks
/// and micro-batches of the rank use in turn, or, between the two halves of a split backward, a set of the micro-batch's
/// own (`hold`).
final class StageActivations {
    private let storage: FloatStorage
    private var blocks: [BlockActivations]
    /// The blocks' rebuilt tensors while the weight gradients are still to come.
    private(set) var held: RecomputedBlocks?
    /// What the last stage keeps of its norm and head; nil elsewhere.
    let head: HeadActivations?

    /// Final norm, logits and loss of one micro-batch.
    struct HeadActivations {
        /// Output of the last block `[S, H]`.
        let input: UnsafeMutablePointer<Float>
        let normed: UnsafeMutablePointer<Float>
        let statistics: NormStatistics
        /// Logits, turned in place into their gradient `[R, V]`.
        let logits: UnsafeMutablePointer<Float>

        init(arena: inout Arena, shape: MicrobatchShape) {
            input = arena.take(shape.boundaryCount)
            normed = arena.take(shape.boundaryCount)
            statistics = NormStatistics(arena: &arena, rows: shape.streamRows)
            logits = arena.take(shape.rows * shape.vocab)
        }
    }

    /// Room for one micro-batch through `count` ≥ 1 blocks. `rebuilt`: the rank's memory for rebuilt tensors.
    init(
        shape: MicrobatchShape, blocks count: Int, isLast: Bool, recompute: Layout.Recompute = .none,
        splitsBackward: Bool = false, rebuilt: RecomputedBlocks? = nil
    ) {
        func carve(_ arena: inout Arena) -> ([BlockActivations], HeadActivations?) {
            let blocks = (0..<count).map { block in
                // Every block's rebuilt tensors lie at the same place.
                var scratch = rebuilt?.arena(of: 0) ?? Arena()
                return BlockActivations(
                    kept: &arena, rebuilt: &scratch, shape: shape, isFirst: block == 0, recompute: recompute,
                    splitsBackward: splitsBackward)
            }
            return (blocks, isLast ? HeadActivations(arena: &arena, shape: shape) : nil)
        }
        var counting = Arena()
        _ = carve(&counting)
        storage = FloatStorage(count: counting.used)
        var arena = Arena(storage)
        (blocks, head) = carve(&arena)
    }

    /// The tensors of block `index` of the stage.
    func block(_ index: Int) -> BlockActivations {
        guard let held else { return blocks[index] }
        var block = held.blocks[index]
        block.input = blocks[index].input
        return block
    }

    /// From here to `release` the rebuilt tensors lie in `set`; nil goes back to the shared place.
    func hold(_ set: RecomputedBlocks?) { held = set }

    /// The stage's input `[S, H]`: a boundary buffer that stays with the micro-batch until its backward.
    var input: UnsafeMutablePointer<Float> {
        get { blocks[0].input }
        set { blocks[0].input = newValue }
    }
}

/// Memory for tensors that are rebuilt in the backward: of one block, or of every block of a stage.
final class RecomputedBlocks {
    private let storage: FloatStorage
    private let countPerBlock: Int
    private(set) var blocks: [BlockActivations] = []

    /// nil when nothing is rebuilt.
    init?(shape: MicrobatchShape, blocks count: Int, recompute: Layout.Recompute, splitsBackward: Bool) {
        guard recompute != .none else { return nil }
        func carve(_ arena: inout Arena) -> BlockActivations {
            var kept = Arena()
            return BlockActivations(
                kept: &kept, rebuilt: &arena, shape: shape, isFirst: true, recompute: recompute,
                splitsBackward: splitsBackward)
        }
        var counting = Arena()
        _ = carve(&counting)
        countPerBlock = counting.used
        storage = FloatStorage(count: countPerBlock * count)
        var arena = Arena(storage)
        for _ in 0..<count { blocks.append(carve(&arena)) }
    }

    /// The place of one block's tensors.
    func arena(of block: Int) -> Arena { Arena(storage, from: block * countPerBlock) }
}

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
    /// What the last stage keeps of its norm and head, for as long as a micro-batch needs it; nil elsewhere.
    var head: HeadActivations?

    /// Final norm, logits and loss of one micro-batch.
    final class HeadActivations {
        private let storage: FloatStorage
        /// Output of the last block `[S, H]`.
        let input: UnsafeMutablePointer<Float>
        let normed: UnsafeMutablePointer<Float>
        /// Whether `normed` lies in scratch, to be made again in the backward.
        let isDerived: Bool
        let statistics: NormStatistics
        /// Logits, turned in place into their gradient `[R, V]`.
        let logits: UnsafeMutablePointer<Float>

        /// - Parameter derived: the rank's scratch for what is not kept; nil keeps it.
        init(shape: MicrobatchShape, derived: BlockActivations.Derived? = nil) {
            let boundary = shape.boundaryCount
            storage = FloatStorage(
                count: (derived == nil ? 2 : 1) * boundary + 2 * shape.streamRows + shape.rows * shape.vocab + 5 * 16)
            var arena = Arena(storage)
            input = arena.take(boundary)
            normed = derived?.normed ?? arena.take(boundary)
            isDerived = derived != nil
            statistics = NormStatistics(arena: &arena, rows: shape.streamRows)
            logits = arena.take(shape.rows * shape.vocab)
        }
    }

    /// Room for one micro-batch through at least one block, of these kinds. `recompute`: of each block; `rebuilt`: the
    /// rank's memory for rebuilt tensors; `derived`: its scratch for those that are not kept; without it they are.
    init(
        shape: MicrobatchShape, blocks kinds: [BlockActivations.Kind], recompute: [Layout.Recompute],
        splitsBackward: Bool = false, rebuilt: RecomputedBlocks? = nil,
        derived: BlockActivations.Derived? = nil
    ) {
        // With full recomputation the experts' tensors, too, are rebuilt in one place.
        let mixtures = zip(kinds, recompute).map { kind, recompute in
            kind == .mixture ? (recompute == .full ? rebuilt?.mixture : nil) ?? shape.mixtureActivations() : nil
        }
        func carve(_ arena: inout Arena) -> [BlockActivations] {
            kinds.enumerated().map { block, kind in
                // Every block's rebuilt tensors lie at the same place.
                var scratch = rebuilt?.arena(of: 0) ?? Arena()
                return BlockActivations(
                    kept: &arena, rebuilt: &scratch, shape: shape, isFirst: block == 0, kind: kind,
                    recompute: recompute[block], splitsBackward: splitsBackward, mixture: mixtures[block],
                    derived: derived)
            }
        }
        var counting = Arena()
        _ = carve(&counting)
        storage = FloatStorage(count: counting.used)
        var arena = Arena(storage)
        blocks = carve(&arena)
    }

    /// The tensors of block `index` of the stage.
    func block(_ index: Int) -> BlockActivations {
        // The first blocks are rebuilt, or all of them.
        guard let held, index < held.blocks.count else { return blocks[index] }
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
    /// The experts' tensors of the first block that has any, into which all of them are rebuilt with full recomputation.
    let mixture: MixtureActivations?

    /// Room for blocks of these kinds, rebuilt as `recompute` says; nil when there are none.
    init?(
        shape: MicrobatchShape, blocks kinds: [BlockActivations.Kind], recompute: Layout.Recompute, splitsBackward: Bool
    ) {
        guard recompute != .none, !kinds.isEmpty else { return nil }
        let mixtures = kinds.map { $0 == .mixture && recompute == .full ? shape.mixtureActivations() : nil }
        mixture = mixtures.compactMap(\.self).first
        func carve(_ block: Int, _ arena: inout Arena) -> BlockActivations {
            var kept = Arena()
            return BlockActivations(
                kept: &kept, rebuilt: &arena, shape: shape, isFirst: true, kind: kinds[block], recompute: recompute,
                splitsBackward: splitsBackward, mixture: mixtures[block])
        }
        countPerBlock = kinds.indices.reduce(0) { most, block in
            var counting = Arena()
            _ = carve(block, &counting)
            return max(most, counting.used)
        }
        storage = FloatStorage(count: countPerBlock * kinds.count)
        for block in kinds.indices {
            var arena = arena(of: block)
            blocks.append(carve(block, &arena))
        }
    }

    /// The place of one block's tensors.
    func arena(of block: Int) -> Arena { Arena(storage, from: block * countPerBlock) }
}

extension MicrobatchShape {
    /// Room for one block with experts.
    func mixtureActivations() -> MixtureActivations {
        MixtureActivations(
            tokens: routedRows, experts: experts, pieces: expertPieces, chosen: chosenExperts, hidden: hidden)
    }
}

internal import Plans
internal import Tensors

/// Everything a stage saves of one micro-batch in flight. Letters: `ShapeLetters`.
///
/// With recomputation the blocks' rebuilt tensors lie in memory of their own: in one block's worth that all blocks and
/// micro-batches of the rank use in turn, or, between the two halves of a split backward, in a set of the micro-batch's own.
final class StageActivations {
    private let storage: Storage<Float>
    private var blocks: [BlockActivations]
    /// The micro-batch's own set of rebuilt tensors, while its weight gradients are still to come.
    var ownRebuilt: RecomputedBlocks?
    /// The tensors of the last stage's norm and head, for as long as a micro-batch needs them; nil elsewhere.
    var head: HeadActivations?

    /// The tensors that the final norm, the head and the loss save of one micro-batch.
    final class HeadActivations {
        private let storage: Storage<Float>
        /// Output of the last block [S, H].
        let input: Matrix
        /// Output of the final norm [S, H]; nil where the backward makes it again.
        let normed: Matrix?
        let statistics: NormStatistics
        /// Logits, turned in place into their gradient [R, V].
        let logits: Matrix

        /// - Parameter savesOutput: whether the norm's output is saved.
        init(shape: MicrobatchShape, savesOutput: Bool) {
            let boundary = shape.boundaryCount
            storage = Storage(
                count: (savesOutput ? 2 : 1) * boundary + 2 * shape.streamRows + shape.rows * shape.vocab + 5 * 16)
            var arena = Arena(storage)
            input = arena.take(rows: shape.streamRows, columns: shape.hidden)
            normed = savesOutput ? arena.take(rows: shape.streamRows, columns: shape.hidden) : nil
            statistics = NormStatistics(arena: &arena, rows: shape.streamRows)
            logits = arena.take(rows: shape.rows, columns: shape.vocab)
        }
    }

    /// Room for one micro-batch through at least one block.
    /// - Parameters:
    ///   - kinds: the feed-forward of each block.
    ///   - recompute: what of each block is recomputed.
    ///   - rebuilt: the rank's memory for rebuilt tensors.
    ///   - savesOutputs: whether the outputs of norms and activations are saved where they need not be.
    init(
        shape: MicrobatchShape, blocks kinds: [BlockActivations.Kind], recompute: [Layout.Recompute],
        splitsBackward: Bool = false, rebuilt: RecomputedBlocks? = nil, savesOutputs: Bool
    ) {
        precondition(!kinds.isEmpty, "a stage without blocks")
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
                    savesOutputs: savesOutputs)
            }
        }
        var counting = Arena()
        _ = carve(&counting)
        storage = Storage(count: counting.used)
        var arena = Arena(storage)
        blocks = carve(&arena)
    }

    /// The tensors of block `index` of the stage.
    func block(_ index: Int) -> BlockActivations {
        // The first blocks are rebuilt, or all of them.
        guard let ownRebuilt, index < ownRebuilt.blocks.count else { return blocks[index] }
        var block = ownRebuilt.blocks[index]
        block.input = blocks[index].input
        return block
    }

    /// The stage's input [S, H]: a boundary buffer that stays with the micro-batch until its backward.
    var input: Matrix {
        get { blocks[0].input }
        set { blocks[0].input = newValue }
    }
}

/// Memory for tensors that are rebuilt in the backward: of one block, or of every block of a stage.
final class RecomputedBlocks {
    private let storage: Storage<Float>
    private let countPerBlock: Int
    private(set) var blocks: [BlockActivations] = []
    /// The tensors of the first block with experts. With full recomputation all blocks with experts are rebuilt into them.
    let mixture: MixtureActivations?

    /// Room for blocks of these kinds; nil when there are none or none is recomputed.
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
                splitsBackward: splitsBackward, mixture: mixtures[block], savesOutputs: true)
        }
        countPerBlock = kinds.indices.reduce(0) { most, block in
            var counting = Arena()
            _ = carve(block, &counting)
            return max(most, counting.used)
        }
        storage = Storage(count: countPerBlock * kinds.count)
        for block in kinds.indices {
            var arena = arena(of: block)
            blocks.append(carve(block, &arena))
        }
    }

    /// The memory of one block's tensors.
    func arena(of block: Int) -> Arena { Arena(storage, from: block * countPerBlock) }
}

extension MicrobatchShape {
    /// Room for one block with experts.
    func mixtureActivations() -> MixtureActivations {
        MixtureActivations(
            tokens: routedRows, experts: experts, pieces: expertPieces, chosen: chosenExperts, hidden: hidden)
    }
}

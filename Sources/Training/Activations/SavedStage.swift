package import Plans
package import Tensors

/// Everything a stage saves of one micro-batch in flight. Letters: `ShapeLetters`.
///
/// With recomputation the blocks' rebuilt tensors lie in memory of their own: in one block's worth that all blocks and
/// micro-batches of the rank use in turn, or, between the two halves of a split backward, in a set of the micro-batch's own.
package final class SavedStage {
    private let storage: Storage<Float>
    private var blocks: [SavedBlock]
    /// The input of a stage without blocks.
    private var passedOn: Matrix?
    /// For each block: its place among those that are rebuilt; nil: it is not.
    private let rebuiltPlaces: [Int?]
    /// The micro-batch's own set of rebuilt tensors, while its weight gradients are still to come.
    package var ownRebuilt: RecomputeBuffers?
    /// The tensors of the last stage's norm and head, for as long as a micro-batch needs them; nil elsewhere.
    package var head: SavedHead?

    /// Room for one micro-batch through the blocks of a stage, of which there may be none.
    /// - Parameters:
    ///   - kinds: the feed-forward of each block.
    ///   - recompute: what of each block is recomputed.
    ///   - rebuilt: the rank's memory for rebuilt tensors.
    ///   - savesOutputs: whether the outputs of norms and activations are saved where they need not be.
    package init(
        shape: MicrobatchShape, blocks kinds: [FeedForwardKind], recompute: [Layout.Recompute],
        splitsBackward: Bool = false, rebuilt: RecomputeBuffers? = nil, savesOutputs: Bool
    ) {
        var rebuiltBlocks = 0
        rebuiltPlaces = recompute.map {
            guard $0 != .none else { return nil }
            defer { rebuiltBlocks += 1 }
            return rebuiltBlocks
        }
        // With full recomputation the experts' tensors, too, are rebuilt in one place.
        let mixtures = zip(kinds, recompute).map { kind, recompute in
            kind == .mixture ? (recompute == .full ? rebuilt?.mixture : nil) ?? shape.savedMixture() : nil
        }
        func carve(_ arena: inout Arena) -> [SavedBlock] {
            kinds.enumerated().map { block, kind in
                // Every block's rebuilt tensors lie at the same place.
                var scratch = rebuilt?.arena(of: 0) ?? Arena()
                return SavedBlock(
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
    func block(_ index: Int) -> SavedBlock {
        guard let ownRebuilt, let place = rebuiltPlaces[index] else { return blocks[index] }
        var block = ownRebuilt.blocks[place]
        block.input = blocks[index].input
        return block
    }

    /// The stage's input [S, H]: a boundary buffer that stays with the micro-batch until its backward.
    package var input: Matrix {
        get {
            guard let input = blocks.first?.input ?? passedOn else {
                preconditionFailure("a stage that was given no input")
            }
            return input
        }
        set {
            if blocks.isEmpty { passedOn = newValue } else { blocks[0].input = newValue }
        }
    }
}

/// Memory for tensors that are rebuilt in the backward: of one block, or of every block of a stage.
package final class RecomputeBuffers {
    private let storage: Storage<Float>
    private let countPerBlock: Int
    private(set) var blocks: [SavedBlock] = []
    /// The tensors of the first block with experts. With full recomputation all blocks with experts are rebuilt into them.
    let mixture: SavedMixture?

    /// Room for blocks of these kinds; nil when there are none or none is recomputed.
    package init?(
        shape: MicrobatchShape, blocks kinds: [FeedForwardKind], recompute: Layout.Recompute, splitsBackward: Bool
    ) {
        guard recompute != .none, !kinds.isEmpty else { return nil }
        let mixtures = kinds.map { $0 == .mixture && recompute == .full ? shape.savedMixture() : nil }
        mixture = mixtures.compactMap(\.self).first
        func carve(_ block: Int, _ arena: inout Arena) -> SavedBlock {
            var kept = Arena()
            return SavedBlock(
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
    func savedMixture() -> SavedMixture {
        SavedMixture(
            tokens: routedRows, experts: experts, pieces: expertPieces, chosen: chosenExperts, hidden: hidden)
    }
}

package import Models
internal import Schedules

/// The division of a model's blocks among pipeline stages.
package struct StagePartition: Hashable, Codable, Sendable {
    /// Blocks of each stage, in stage order; together they are `0..<layers`.
    package var layers: [Range<Int>]

    package init(layers: [Range<Int>]) { self.layers = layers }

    /// A partition into consecutive stages of the given sizes.
    package init(sizes: [Int]) {
        var start = 0
        layers = sizes.map { size in
            defer { start += size }
            return start..<start + size
        }
    }

    /// Equal stages among which the embedding and the loss each take the place of a block; nil if the stages do not divide
    /// the blocks and both ends.
    package static func countingEnds(layers: Int, stages: Int) -> StagePartition? {
        StageDivision.withEnds(layers: layers, stages: stages, embedding: true, loss: true).map { .init(sizes: $0) }
    }

    package var stages: Int { layers.count }

    /// Number of blocks of each stage.
    package var sizes: [Int] { layers.map(\.count) }

    /// Number of blocks of each stage if stages differ in size; nil if all are equal.
    package var unevenSizes: [Int]? { Set(sizes).count > 1 ? sizes : nil }

    /// The partition by the layout's own `layersPerStage`, or the balanced one for `model`. A head that all ranks divide is
    /// no work of the last stage.
    ///
    /// - Precondition: the layout has no `problems` for the model.
    /// - Parameter head: `model.headInBlocks`, where it is known; nil: it is computed here.
    package init(_ layout: Layout, model: Model, head: Double? = nil) {
        if let sizes = layout.layersPerStage {
            self.init(sizes: sizes)
        } else {
            self.init(
                balancing: model.layers, stages: layout.stages, ranks: layout.pipeline,
                headInBlocks: layout.vocabularyParallel == nil ? head ?? model.headInBlocks : 0,
                folded: layout.schedule.isFolded)
        }
    }

    /// Number of blocks of each stage as an answer states them. nil: all stages are equal, and leaving the key out
    /// means that.
    package static func written(_ layout: Layout, model: Model) -> [Int]? {
        let split = StagePartition(layout, model: model)
        var open = layout
        open.layersPerStage = nil
        return split.unevenSizes ?? (split == StagePartition(open, model: model) ? nil : split.sizes)
    }

    /// The balanced partition of `layers` blocks over `stages` stages, stage s on rank s mod `ranks` (`folded`:
    /// mirrored, see `StagePlacement.folded`). The output head counts as `headInBlocks` blocks on the last stage.
    ///
    /// The heaviest rank is made as light as possible. Ties are decided by the smallest largest stage, then by the
    /// smallest sum of squares, so that sizes differ by at most one if the head allows it. An even split stays even if
    /// no other is better. Every stage gets at least one block.
    ///
    /// - Complexity: O(stages · log(layers) + layers · log(stages)); combinations are not enumerated.
    package init(balancing layers: Int, stages: Int, ranks: Int, headInBlocks: Double, folded: Bool = false) {
        guard stages > 1, layers >= stages else {
            self.init(sizes: stages <= 1 ? [layers] : (0..<stages).map { $0 < layers ? 1 : 0 })
            return
        }
        let virtualStages = max(1, stages / max(1, ranks))
        let others = stages - virtualStages
        let bestShare = Self.bestLastRankShare(
            layers: layers, virtualStages: virtualStages, others: others, ranks: ranks, head: headInBlocks)
        // The last rank's blocks are divided among its own stages, the smaller ones last, where the head is.
        let lastRank = Self.even(bestShare, over: virtualStages)
        let rest = Self.even(layers - bestShare, ranks: ranks - 1, virtualStages: virtualStages)
        self.init(
            sizes: (0..<stages).map { stage in
                let chunk = stage / ranks
                // Distance from the rank of the last stage.
                let before = folded ? (chunk == 0 ? stage : stages - 1 - stage) : ranks - 1 - stage % ranks
                return before == 0 ? lastRank[chunk] : rest[ranks - 1 - before][chunk]
            })
    }

    /// Number of blocks on the last rank that makes the heaviest rank lightest.
    private static func bestLastRankShare(
        layers: Int, virtualStages: Int, others: Int, ranks: Int, head: Double
    ) -> Int {
        guard ranks > 1 else { return layers }
        var best: (load: Double, largest: Int, squares: Int, share: Int)?
        for share in virtualStages...max(virtualStages, layers - others) {
            let rest = layers - share
            guard rest >= others else { continue }
            let heaviestOther = (rest + ranks - 2) / (ranks - 1)
            // Rounded to a ten-thousandth of a block, so that equal splits compare equal.
            let load = (max(Double(heaviestOther), Double(share) + head) * 1e4).rounded()
            let largest = max((share + virtualStages - 1) / virtualStages, (rest + others - 1) / max(1, others))
            let squares = squares(share, virtualStages) + squares(rest, others)
            if let current = best,
                (current.load, current.largest, current.squares) <= (load, largest, squares)
            {
                continue
            }
            best = (load, largest, squares, share)
        }
        return best?.share ?? layers / max(1, ranks)
    }

    /// Sum of squares of the parts of `total`, split as evenly as possible into `parts`.
    private static func squares(_ total: Int, _ parts: Int) -> Int {
        guard parts > 0 else { return 0 }
        let small = total / parts
        let larger = total % parts
        return larger * (small + 1) * (small + 1) + (parts - larger) * small * small
    }

    /// `total` divided among `parts` as evenly as possible, the larger parts first.
    private static func even(_ total: Int, over parts: Int) -> [Int] {
        (0..<parts).map { total / parts + ($0 < total % parts ? 1 : 0) }
    }

    /// `total` divided among ranks and their stages, `[rank][chunk]`. Ranks differ by at most one block, and so do the
    /// stages of a rank.
    private static func even(_ total: Int, ranks: Int, virtualStages: Int) -> [[Int]] {
        guard ranks > 0 else { return [] }
        // The larger numbers go to the later ranks, since the first rank holds most micro-batches in flight.
        let shares = even(total, over: ranks).reversed()
        return shares.map { even($0, over: virtualStages) }
    }
}

extension Model {
    /// Forward work of the output head in units of the mean block's work, by FLOPs of a token: 2·h·V over a block's
    /// 2·(weights a token passes through) + 2·s·a·d of causal attention (the half that the runtime computes), and the
    /// recurrences of token mixers. Modules of multi-token prediction count with the head.
    package var headInBlocks: Double {
        // The fraction of each kind is computed apart, so that a model of one kind gets exactly that block's value.
        var (work, modules) = (0.0, 0.0)
        for kind in kindsOfBlock {
            let attention = kind.model.coreAttention
            let core = 2 * attention.work(length: Double(sequence)) + attention.scanWork(length: Double(sequence))
            let block = kind.model.activeWeights + core
            if kind.model.block.predicts {
                modules += Double(kind.count) * block
            } else {
                work += Double(kind.count) / Double(layers) * block
            }
        }
        return (headWeights + modules) / work
    }
}

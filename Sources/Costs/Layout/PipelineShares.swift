package import Models
internal import Numbers
package import Plans
package import Schedules

/// The shares of all pipeline ranks: their blocks, passes and messages for one micro-batch, and the ranks that are
/// alike.
///
/// A class, so that a search passes it on without copying lists.
package final class PipelineShares: Sendable {
    /// The share of one rank. Ranks with equal shares take equal times. With equally many activations in flight they
    /// also take equal memory.
    package struct Rank: Hashable, Sendable {
        /// Blocks that the rank holds, those of multi-token prediction included.
        package var layers = 0
        /// Blocks of each kind among `layers`.
        package var blocks: [Int] = []
        /// Recomputed blocks of each kind, if only some blocks are recomputed; the first blocks of runs of each kind, if blocks
        /// are recomputed in runs; else none.
        package var recomputed: [Int] = []
        package var holdsEmbedding = false
        package var holdsHead = false
        /// Number of stages that one micro-batch passes on the rank.
        package var passes = 1
        /// Messages sent for one micro-batch, forward and backward together. Equally many are received.
        package var messages = 0.0
        /// Messages with activations sent for one micro-batch; the other `messages` carry gradients.
        package var forwardMessages = 0.0

        package init() {}

        /// A rank's share without the head, which all ranks divide.
        var withoutHead: Rank {
            var share = self
            share.holdsHead = false
            return share
        }

        /// Adds recomputed blocks, or first blocks of runs.
        fileprivate mutating func mark(_ counts: [Int]) {
            for (kind, count) in counts.enumerated() { recomputed[kind] += count }
        }

        /// Adds the blocks of `stage`.
        fileprivate mutating func add(_ stage: Rank) {
            layers += stage.layers
            for kind in blocks.indices {
                blocks[kind] += stage.blocks[kind]
                recomputed[kind] += stage.recomputed[kind]
            }
            if stage.holdsEmbedding { holdsEmbedding = true }
            if stage.holdsHead { holdsHead = true }
        }
    }

    /// Ranks with equal shares. A class, so that a search passes it on without copying the share's lists.
    package final class Kind: Sendable {
        package let share: Rank
        package let count: Int

        init(share: Rank, count: Int) { (self.share, self.count) = (share, count) }
    }

    package let ranks: [Rank]
    /// Kinds of rank, in the order of their first ranks.
    package let kinds: [Kind]
    /// Index into `kinds` for every rank.
    package let kindOfRank: [Int]
    /// Blocks that one micro-batch passes on each stage, in stage order.
    let stages: [HeldBlocks]
    /// The numbers of all `stages` in one list, so that a walk copies and counts no references.
    let stageNumbers: [Double]
    /// Ranks whose stages differ from one another.
    let unlikeRanks: Set<Int>
    /// The runs of blocks that are recomputed together; nil if blocks are recomputed one by one.
    let runs: RecomputedRuns?
    /// Fraction of the micro-batches that pass each stage of a rank: half in a bidirectional pipeline, else 1.
    package let passShare: Double
    /// Place of each kind in a cluster of several groups; nil: all devices are alike.
    let placeOfKind: [Int]?

    /// - Parameters:
    ///   - layers: blocks of each stage, in stage order.
    ///   - blocks: the kinds of the model's blocks.
    ///   - recomputed: the recomputed blocks of each stage, if some keep all their activations.
    ///   - places: places of the ranks in a cluster of several groups, which keep kinds apart.
    package init(
        schedule: ScheduleName, shape: PipelineShape, layers: [Int], blocks: BlockKinds,
        recomputed: RecomputedBlocks = .all, places: [Int]? = nil
    ) {
        passShare = schedule.isBidirectional ? 0.5 : 1
        var starts = [0]
        for count in layers { starts.append(starts[starts.count - 1] + count) }
        let last = layers.count - 1
        let placed = Self.placedStages(schedule, shape)
        let shared: Double = passShare
        var none = Rank()
        none.blocks = [Int](repeating: 0, count: blocks.count)
        none.recomputed = none.blocks
        let stageShares = layers.indices.map { stage in
            var share = none
            let (start, end) = (starts[stage], starts[stage + 1])
            // Modules of multi-token prediction are on the last stage (Megatron-Core, `multi_token_prediction.py`).
            let held = start..<(stage == last ? end + blocks.predictors : end)
            share.layers = held.count
            share.blocks = blocks.counts(in: held)
            share.holdsEmbedding = stage == 0
            share.holdsHead = stage == last
            for marked in recomputed.marked(in: start..<end, stage: stage) where !marked.isEmpty {
                share.mark(blocks.counts(in: marked))
            }
            return share
        }
        let stagesOfRanks = (0..<shape.ranks).map {
            placed?[$0] ?? Array(stride(from: $0, to: layers.count, by: shape.ranks))
        }
        let held = stageShares.map { HeldBlocks(of: $0) }
        var unlike: Set<Int> = []
        let ranks = (0..<shape.ranks).map { rank in
            var share = none
            let stages = stagesOfRanks[rank]
            for stage in stages { share.add(stageShares[stage]) }
            if stages.contains(where: { !held[$0].isAlike(held[stages[0]]) }) { unlike.insert(rank) }
            if placed == nil {
                share.passes = shape.virtualStages
                share.forwardMessages = Double(shape.virtualStages - (rank == shape.ranks - 1 ? 1 : 0))
                share.messages = share.forwardMessages + Double(shape.virtualStages - (rank == 0 ? 1 : 0))
            } else {
                share.passes = Int(saturating: Double(stages.count) * shared)
                // At the fold the neighbouring stage is on the same rank.
                let inner = shared == 1 && stages.count == 2 && abs(stages[0] - stages[1]) == 1 ? 1 : 0
                func sent(_ end: Int) -> Double { Double(stages.count - inner - stages.filter { $0 == end }.count) }
                share.forwardMessages = sent(last) * shared
                share.messages = share.forwardMessages + sent(0) * shared
            }
            return share
        }
        var (unlikeShares, counts): ([Rank], [Int]) = ([], [])
        var kindOfRank: [Int] = []
        var kept: [Int] = []
        for (rank, share) in ranks.enumerated() {
            let kind =
                (places == nil
                    ? unlikeShares.firstIndex(of: share)
                    : unlikeShares.indices.first { unlikeShares[$0] == share && kept[$0] == places?[rank] })
                ?? unlikeShares.count
            if kind == unlikeShares.count {
                if let places { kept.append(places[rank]) }
                unlikeShares.append(share)
                counts.append(0)
            }
            counts[kind] += 1
            kindOfRank.append(kind)
        }
        if case .runs(let length) = recomputed {
            runs = RecomputedRuns(
                stagesOfRanks.map { stages in
                    stages.map { starts[$0]..<starts[$0 + 1] }
                }, length: length, blocks: blocks)
        } else {
            runs = nil
        }
        placeOfKind = places == nil ? nil : kept
        stages = held
        stageNumbers = held.flatMap(\.numbers)
        unlikeRanks = unlike
        self.ranks = ranks
        kinds = zip(unlikeShares, counts).map { Kind(share: $0, count: $1) }
        self.kindOfRank = kindOfRank
    }

    /// Stages of each rank; nil if stage s is on rank s mod p.
    private static func placedStages(_ schedule: ScheduleName, _ shape: PipelineShape) -> [[Int]]? {
        guard schedule.isBidirectional || shape.virtualStages == 2 && schedule.isFolded else { return nil }
        let placement = schedule.placement(shape)
        var stages = [[Int]](repeating: [], count: shape.ranks)
        for stageToRank in [placement.stageToRank, placement.reverseStageToRank ?? []] {
            for (stage, rank) in stageToRank.enumerated() { stages[rank].append(stage) }
        }
        return stages
    }
}

/// The runs of blocks that each rank recomputes together, by their kinds. A class, because hardly any layout has them.
package final class RecomputedRuns: Hashable, Sendable {
    /// For each rank: the different runs, each as its number of blocks of every kind.
    let ofRanks: [Set<[Int]>]

    /// - Parameters:
    ///   - stages: the blocks of each stage of every rank.
    ///   - length: blocks of a run; the last run of a stage may be shorter.
    init(_ stages: [[Range<Int>]], length: Int, blocks: BlockKinds) {
        ofRanks = stages.map { stages in
            Set(
                stages.flatMap { stage in
                    stride(from: stage.lowerBound, to: stage.upperBound, by: length).map {
                        blocks.counts(in: $0..<min(stage.upperBound, $0 + length))
                    }
                })
        }
    }

    package static func == (a: RecomputedRuns, b: RecomputedRuns) -> Bool { a.ofRanks == b.ofRanks }

    package func hash(into hasher: inout Hasher) { hasher.combine(ofRanks) }
}

package import Models
package import Plans
package import Schedules

/// All ways to run a pipeline of a model, by its ranks and micro-batches: schedule, stages of a rank, recomputed
/// blocks. Each has the kinds of ranks and the blocks they hold at once. The table is computed once for all layouts of
/// a search.
package final class PipelineTable: Sendable {
    /// Ranks and micro-batches of a pipeline.
    package struct Size: Hashable, Sendable {
        package var ranks: Int
        package var microbatches: Int

        package init(ranks: Int, microbatches: Int) {
            self.ranks = ranks
            self.microbatches = microbatches
        }
    }

    /// The schedules of a table, and the bounds of their virtual stages and recomputation.
    package struct Choice: Hashable, Sendable {
        package var schedules: [ScheduleName]
        /// Numbers of stages on a rank that are tried with schedules that leave them open.
        package var virtualStages: ClosedRange<Int>
        /// Whether recomputing a quarter, half and three quarters of a stage's blocks is tried too.
        package var partialRecompute: Bool
        /// The only number of recomputed blocks of a stage that is tried; nil: open.
        package var recomputeLayers: Int?
        /// The divisions of the blocks among the stages that the software allows.
        package var stages: Framework.Abilities.Stages
        /// Whether stages among which the embedding and the loss count as blocks are tried too.
        package var countsEnds: Bool

        package init(
            schedules: [ScheduleName], virtualStages: ClosedRange<Int>, partialRecompute: Bool,
            recomputeLayers: Int?, stages: Framework.Abilities.Stages, countsEnds: Bool = false
        ) {
            self.stages = stages
            self.countsEnds = countsEnds
            self.schedules = schedules
            self.virtualStages = virtualStages
            self.partialRecompute = partialRecompute
            self.recomputeLayers = recomputeLayers
        }
    }

    /// A division of the model's blocks among the ranks.
    struct Partition: Sendable {
        var layers: [Int]
        var shares: PipelineShares
        /// A schedule that runs the partition; others may run it too.
        var schedule: ScheduleName
        var virtualStages: Int
        /// Index into `kinds` of the partition's first kind of rank.
        var firstKind: Int
        /// Whether the ends count as blocks, which a layout must state.
        var countsEnds: Bool
        /// Index of the partition of the same blocks of which all are recomputed, or none. Their state is the same.
        var division: Int
    }

    /// One way to run the pipeline.
    struct Entry: Sendable {
        var schedule: ScheduleName
        /// Index into `partitions`.
        var partition: Int
        var firstKind: Int
        var kinds: Int
        var shape: PipelineShape
        var isPartial: Bool
        var recomputeLayers: Int
        var passShare: Double
        var logits: HeldLogits
        /// Index into `heldBounds`. For each kind of rank, from there on, the place in `held` at which its fullest
        /// moments start; then the place at which those of the last kind end.
        var firstBound: Int
    }

    /// The figures of one kind of rank that the inner loop of a search reads, without its lists of blocks.
    struct KindNumbers: Sendable {
        /// Ranks of the kind.
        var count: Int
        var holdsEmbedding: Bool
        var holdsHead: Bool
        var passes: Int
        var messages: Double
        var forwardMessages: Double

        init(_ kind: PipelineShares.Kind) {
            count = kind.count
            holdsEmbedding = kind.share.holdsEmbedding
            holdsHead = kind.share.holdsHead
            passes = kind.share.passes
            messages = kind.share.messages
            forwardMessages = kind.share.forwardMessages
        }
    }

    let partitions: [Partition]
    /// Indices into `partitions`, by number of ranks.
    let partitionsByRanks: [Int: [Int]]
    let kinds: [KindNumbers]
    /// Numbers of the blocks of all `kinds`, each in the order of `HeldBlocks.numbers`.
    let counts: [Double]
    /// Kinds of block of the model.
    let blockKinds: Int
    /// Numbers of the fullest moments of all kinds of rank, in the order of the kinds.
    let held: [Double]
    /// Numbers of moments in `held` before those of each kind, and before its end.
    let heldBounds: [Int]
    let entries: [Entry]
    package let entriesBySize: [Size: Range<Int>]
    /// Number of ways to run the pipeline that a rule of their schedule forbids, by size.
    let rejectedBySize: [Size: Int]

    fileprivate struct Key: Hashable {
        var ranks: Int
        var stages: Int
        var isFolded: Bool
        var isBidirectional: Bool
        var recomputeLayers: Int?
        var countsEnds: Bool
    }

    /// A partition under a schedule with a shortened run. Its fullest moments equal those of longer runs.
    fileprivate struct Run: Hashable {
        var schedule: ScheduleName
        var partition: Key
        var shape: PipelineShape
    }

    /// Divisions and moments that tables of one model and one choice share, whatever the sizes of their pipelines.
    package struct Known: Sendable {
        /// Divisions of the blocks; nil: the software cannot divide them so.
        fileprivate var divisions: [Key: Division?] = [:]
        fileprivate var moments: [Run: [HeldMoments]] = [:]
        /// Fullest moments, counted in stages, by schedule and shortened run.
        fileprivate var stages: [ScheduleName: [PipelineShape: [[HeldStages]]]] = [:]
        fileprivate var head: Double?
        fileprivate var blocks: BlockKinds?

        package init() {}
    }

    /// A division of the blocks among the ranks, and what the ranks hold.
    fileprivate struct Division: Sendable {
        var layers: [Int]
        var shares: PipelineShares
        var counts: [Double]
    }

    package convenience init(_ model: Model, sizes: [Size], choice: Choice) {
        var none = Known()
        self.init(model, sizes: sizes, choice: choice, known: &none)
    }

    /// - Parameter shared: what other tables of the same model and choice have computed.
    package init(_ model: Model, sizes: [Size], choice: Choice, known shared: inout Known) {
        var partitions: [Partition] = []
        var byRanks: [Int: [Int]] = [:]
        var kinds: [KindNumbers] = []
        var counts: [Double] = []
        let blocks = shared.blocks ?? BlockKinds(model)
        let head = shared.head ?? model.headInBlocks
        (shared.blocks, shared.head) = (blocks, head)
        var known: [Key: Int?] = [:]
        func divide(_ schedule: ScheduleName, _ key: Key) -> Division? {
            let (ranks, virtualStages, countsEnds) = (key.ranks, key.stages, key.countsEnds)
            let layout = Layout(pipeline: ranks, virtualStages: virtualStages, schedule: schedule)
            let own = choice.stages.split(layout, model: model, head: head)
            let counted =
                countsEnds ? StagePartition.countingEnds(layers: model.layers, stages: layout.stages)?.sizes : own
            // Stages that the software makes anyway are tried once.
            guard let layers = counted, !countsEnds || layers != own else { return nil }
            let shape = PipelineShape(ranks: ranks, virtualStages: virtualStages, microbatches: 2 * ranks)
            let shares = PipelineShares(
                schedule: schedule, shape: shape, layers: layers, blocks: blocks,
                recomputed: key.recomputeLayers.map(RecomputedBlocks.first) ?? .all)
            return Division(
                layers: layers, shares: shares,
                counts: shares.kinds.flatMap { HeldBlocks(of: $0.share).numbers })
        }
        /// Index of the partition; nil if the software cannot divide the blocks so.
        func partition(
            _ schedule: ScheduleName, ranks: Int, virtualStages: Int, recompute: Int?, countsEnds: Bool,
            division: Int? = nil, _ shared: inout Known
        ) -> (index: Int, key: Key)? {
            let key = Key(
                ranks: ranks, stages: virtualStages, isFolded: schedule.isFolded,
                isBidirectional: schedule.isBidirectional, recomputeLayers: recompute, countsEnds: countsEnds)
            if let index = known[key] { return index.map { ($0, key) } }
            let found: Division?
            if let division = shared.divisions[key] {
                found = division
            } else {
                found = divide(schedule, key)
                shared.divisions[key] = .some(found)
            }
            guard let found else {
                known[key] = .some(nil)
                return nil
            }
            partitions.append(
                Partition(
                    layers: found.layers, shares: found.shares, schedule: schedule, virtualStages: virtualStages,
                    firstKind: kinds.count, countsEnds: countsEnds, division: division ?? partitions.count))
            kinds += found.shares.kinds.map(KindNumbers.init)
            counts += found.counts
            known[key] = partitions.count - 1
            byRanks[ranks, default: []].append(partitions.count - 1)
            return (partitions.count - 1, key)
        }

        var entries: [Entry] = []
        var held: [Double] = []
        let stride = HeldBlocks(kinds: blocks.count).numbers.count
        var heldBounds: [Int] = []
        var bySize: [Size: Range<Int>] = [:]
        var rejected: [Size: Int] = [:]
        for size in sizes where bySize[size] == nil {
            let first = entries.count
            for (schedule, virtualStages) in Self.ways(
                ranks: size.ranks, layers: model.layers, choice)
            {
                let shape = PipelineShape(
                    ranks: size.ranks, virtualStages: virtualStages, microbatches: size.microbatches)
                guard schedule.problem(shape) == nil else {
                    rejected[size, default: 0] += 1
                    continue
                }
                for countsEnds in choice.countsEnds ? [false, true] : [false] {
                    guard
                        let whole = partition(
                            schedule, ranks: size.ranks, virtualStages: virtualStages, recompute: nil,
                            countsEnds: countsEnds, &shared)
                    else { continue }
                    let short = schedule.shortened(shape)
                    var lists = ShortLists(schedule, shape, stages: shared.stages[schedule]?[short])
                    if schedule.splitsBackward { shared.stages[schedule, default: [:]][short] = lists.stages }
                    for recompute in Self.recomputeLayers(partitions[whole.index].layers, choice) {
                        guard
                            let (index, key) = partition(
                                schedule, ranks: size.ranks, virtualStages: virtualStages, recompute: recompute,
                                countsEnds: countsEnds, division: whole.index, &shared)
                        else { continue }
                        let shares = partitions[index].shares
                        let run = Run(schedule: schedule, partition: key, shape: short)
                        let fullest = shared.moments[run] ?? shares.fullestMoments(byKind: &lists)
                        shared.moments[run] = fullest
                        entries.append(
                            Entry(
                                schedule: schedule, partition: index, firstKind: partitions[index].firstKind,
                                kinds: shares.kinds.count, shape: shape, isPartial: recompute != nil,
                                recomputeLayers: recompute ?? 0, passShare: shares.passShare,
                                logits: HeldLogits(schedule, shape),
                                firstBound: heldBounds.count))
                        for kind in fullest {
                            heldBounds.append(held.count / stride)
                            held += kind.numbers
                        }
                        heldBounds.append(held.count / stride)
                    }
                }
            }
            bySize[size] = first..<entries.count
        }
        self.partitions = partitions
        partitionsByRanks = byRanks
        self.kinds = kinds
        self.counts = counts
        blockKinds = blocks.count
        self.held = held
        self.heldBounds = heldBounds
        self.entries = entries
        entriesBySize = bySize
        rejectedBySize = rejected
    }

    /// Schedules and numbers of stages on a rank that are tried for a pipeline of `ranks`.
    static func ways(ranks: Int, layers blocks: Int, _ choice: Choice) -> [(ScheduleName, Int)] {
        // Most stages: the blocks, and the ends if they count as blocks.
        let layers = blocks + (choice.countsEnds ? 2 : 0)
        if ranks == 1 {
            // Without a pipeline the order changes nothing, so the schedule that holds least is taken.
            guard choice.virtualStages.contains(1) else { return [] }
            let wanted =
                choice.schedules.contains(.oneForwardOneBackward) ? .oneForwardOneBackward : choice.schedules.first
            return wanted.map { $0.fixedVirtualStages ?? 1 == 1 ? [($0, 1)] : [] } ?? []
        }
        return choice.schedules.flatMap { schedule -> [(ScheduleName, Int)] in
            if let fixed = schedule.fixedVirtualStages {
                guard choice.virtualStages.contains(fixed),
                    schedule.stages(ranks: ranks, virtualStages: fixed) <= layers
                else { return [] }
                return [(schedule, fixed)]
            }
            // With one stage on each rank an interleaved schedule equals the plain one, so at least two are tried.
            let most = min(layers / ranks, choice.virtualStages.upperBound)
            let least = max(2, choice.virtualStages.lowerBound)
            return least <= most ? (least...most).map { (schedule, $0) } : []
        }
    }

    /// Numbers of recomputed blocks of a stage that are tried; nil in the list: all blocks.
    private static func recomputeLayers(_ layers: [Int], _ choice: Choice) -> [Int?] {
        if let given = choice.recomputeLayers { return [given] }
        guard choice.partialRecompute, let most = layers.max(), most > 1 else { return [nil] }
        let parts = Set([most / 4, most / 2, most * 3 / 4]).filter { $0 > 0 }.sorted()
        return [nil] + parts.map(Optional.some)
    }
}

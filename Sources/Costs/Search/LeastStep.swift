/// Lower bounds of one micro-batch's seconds through a whole model.
struct LeastWork: Sendable {
    /// Of all blocks.
    var blocks = 0.0
    /// Of the embedding and the head.
    var ends = 0.0
    /// Of the quickest block.
    var leastBlock = 0.0

    init() {}

    /// - Parameter blocks: seconds of all blocks.
    init(_ pass: LeastPass, blocks: Double) {
        self.blocks = blocks
        ends = pass.embedding + pass.head
        leastBlock = pass.blocks.min() ?? 0
    }
}

/// A step of a pipeline, as far as all of its schedules have it in common.
struct LeastCourse: Sendable {
    /// Micro-batches of the step.
    var count: Double
    var ranks: Double
    /// Seconds of host work for a micro-batch in one stage.
    var host: Double
    /// Seconds of the slowest node of one rank, for each second of their mean node.
    var slowest: Double
    /// Blocks that some rank passes a micro-batch through; 0: unknown.
    var blocks: Double
    /// Numbers of stages of a rank that are tried, if ranks are idle while the pipeline fills and drains; nil: they may not
    /// be.
    var stages: [Int]?
    /// As many ranks as the fullest one could hold a micro-batch of all blocks in, if all were as full as it. When the
    /// forward of the first micro-batch ends, all blocks still keep what its backward reads. If rank r keeps min(m, p−r)
    /// micro-batches of its blocks by then, ranks that are equally full have blocks in proportion to 1/min(m, p−r).
    var fullRanks: Double

    /// - Parameters:
    ///   - fillsFirst: `ScheduleName.fillsFirst` of all schedules that are tried.
    ///   - blocks: 0: unknown.
    init(
        _ size: PipelineTable.Size, host: Double, slowest: Double, blocks: Int, stages: [Int]?, fillsFirst: Bool
    ) {
        (count, ranks) = (Double(size.microbatches), Double(size.ranks))
        (self.host, self.slowest, self.blocks, self.stages) = (host, slowest, Double(blocks), stages)
        fullRanks =
            fillsFirst
            ? (0..<size.ranks).reduce(0) { $0 + 1 / Double(min(size.microbatches, size.ranks - $1)) } : ranks
    }

    /// Lower bound of the seconds of a micro-batch on the rank with most work, in one stage.
    private func pass(_ work: LeastWork) -> Double {
        max((work.blocks + work.ends) / ranks, blocks * work.leastBlock) + host
    }

    /// Whether a step with this work may be within the limits.
    /// - Parameter beside: bounds of the seconds outside the passes; nil: none are known.
    func isWithin(_ limit: MeshPricer.Limit, _ work: LeastWork, besides beside: LeastBeside?) -> Bool {
        let pass = pass(work)
        let outside = beside?.seconds(microbatches: count, pass: pass) ?? 0
        // Whatever the order of the passes, the rank with most work does all of its own.
        guard LeastPasses.slack * (count * slowest * pass + outside) <= limit.certain else { return false }
        return LeastPasses.slack * (passes(work, pass) + outside) <= limit.seconds
    }

    /// Lower bound of the seconds of a step by closed form.
    func seconds(_ work: LeastWork, besides beside: LeastBeside) -> Double {
        let pass = pass(work)
        return LeastPasses.slack * (passes(work, pass) + beside.seconds(microbatches: count, pass: pass))
    }

    /// Lower bound of the seconds of a step's passes by closed form.
    private func passes(_ work: LeastWork, _ pass: Double) -> Double {
        guard let stages else { return count * slowest * pass }
        let all = work.blocks + work.ends
        var least = Double.infinity
        for number in stages {
            let more = Double(number - 1) * host
            let filling = (all + ranks * (host + more) - pass - more) / Double(number)
            least = min(least, count * slowest * (pass + more) + filling)
        }
        return least
    }
}

/// Lower bounds of one micro-batch's seconds, forward and backward, in each part of a model. They hold for all layouts
/// with the same degrees, independently of the placement of ranks on the network and of the sharding of parameters.
struct LeastPass: Hashable, Sendable {
    /// Of a block of each kind.
    var blocks: [Double] = []
    var embedding = 0.0
    var head = 0.0
    /// Lower bounds of the bytes that one micro-batch keeps in a block of each kind, with the allocator's losses.
    var kept: [Double] = []
    /// Lower bound of the bytes beside those of a rank with at least one block: what it computes again at once, and the
    /// gradients of its widest tensors.
    var beside = 0.0

    /// The smaller bound of each part.
    func least(_ other: LeastPass) -> LeastPass {
        LeastPass(
            blocks: zip(blocks, other.blocks).map { min($0, $1) }, embedding: min(embedding, other.embedding),
            head: min(head, other.head), kept: zip(kept, other.kept).map { min($0, $1) },
            beside: min(beside, other.beside))
    }

    /// Lower bound of the seconds of all blocks, of which there are `counts` of each kind.
    func seconds(_ counts: [Int]) -> Double { zip(counts, blocks).reduce(0) { $0 + Double($1.0) * $1.1 } }

    /// Lower bound of the bytes of the fullest pipeline rank.
    /// - Parameters:
    ///   - ranks: `LeastCourse.fullRanks`.
    ///   - isWithBlocks: whether every rank has blocks.
    func bytes(_ counts: [Int], ranks: Double, isWithBlocks: Bool) -> Double {
        zip(counts, kept).reduce(0) { $0 + Double($1.0) * $1.1 } / ranks + (isWithBlocks ? beside : 0)
    }

    /// Lower bound of the seconds of all blocks if some keep everything and the others are recomputed.
    /// - Parameters:
    ///   - whole: the bounds of blocks that keep everything; self: of recomputed ones.
    ///   - bytes: how many bytes more than if all are recomputed all ranks together may keep.
    func seconds(_ counts: [Int], keeping whole: LeastPass, within bytes: Double) -> Double {
        // The blocks that save most seconds for their bytes keep everything first, the last of them in part.
        var kinds: [(seconds: Double, bytes: Double)] = []
        for kind in blocks.indices where kind < counts.count {
            let count = Double(counts[kind])
            let saved = count * (blocks[kind] - whole.blocks[kind])
            if saved > 0 { kinds.append((saved, max(0, count * (whole.kept[kind] - kept[kind])))) }
        }
        kinds.sort { $0.seconds * $1.bytes > $1.seconds * $0.bytes }
        var (sum, left) = (seconds(counts), bytes)
        for kind in kinds {
            let share = kind.bytes > left ? max(0, left) / kind.bytes : 1
            sum -= share * kind.seconds
            left -= share * kind.bytes
        }
        return sum
    }
}

/// Lower bounds of the seconds of a step for one micro-batch size.
package struct LeastStep: Sendable {
    /// Bounds for layouts with sequence parallelism, or for those without.
    struct Side: Sendable {
        /// Seconds of the step.
        var seconds = Double.infinity
        /// Seconds of a micro-batch if nothing is recomputed.
        var kept = LeastPass()
        /// Seconds of a micro-batch if every block is recomputed; nil: unknown.
        var recomputed: LeastPass?
        /// Whether a layout that recomputes nothing may fit.
        var fitsWhole = true
    }

    var plain = Side()
    var sequenceParallel = Side()
    /// Bounds of the seconds outside the passes.
    var beside = LeastBeside()

    package var least: Double { min(plain.seconds, sequenceParallel.seconds) }

    subscript(isSequenceParallel: Bool) -> Side {
        get { isSequenceParallel ? sequenceParallel : plain }
        set { if isSequenceParallel { sequenceParallel = newValue } else { plain = newValue } }
    }
}

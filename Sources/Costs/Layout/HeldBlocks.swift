/// Number of blocks whose activations a rank holds at one moment. A block counts once for each micro-batch whose
/// activations are held.
///
/// One list holds all numbers, so that bytes are a sum of products with a list in the same order (`HeldBytes`). Blocks
/// of kind k that are not recomputed stand at 2k, recomputed ones, if only some blocks are, at 2k + 1. Then, in the same
/// order, follow those between the two halves of a split backward, which hold only the tensors that weight gradients
/// read. The last number is that of the micro-batches of which the first stage is held.
package struct HeldBlocks: Hashable, Sendable {
    package private(set) var numbers: [Double]

    /// Number of kinds of block.
    package var kinds: Int { numbers.count / 4 }
    /// Micro-batches of which the first stage is held.
    package var first: Double { numbers[numbers.count - 1] }

    package init(kinds: Int) { numbers = [Double](repeating: 0, count: 4 * kinds + 1) }

    /// Blocks of kind `kind` whose backward has not started; recomputed ones if only some blocks are, or the others.
    package func whole(_ kind: Int, isRecomputed: Bool = false) -> Double { numbers[2 * kind + (isRecomputed ? 1 : 0)] }

    /// Blocks of kind `kind` between the two halves of a split backward.
    package func later(_ kind: Int, isRecomputed: Bool = false) -> Double {
        numbers[2 * (kinds + kind) + (isRecomputed ? 1 : 0)]
    }

    /// Blocks of a rank whose `stages` are alike. The rank holds `inFlight` activations of a stage, and `later` stages
    /// are between the two halves of their backward. By default: the blocks that one micro-batch passes on the rank.
    init(of rank: PipelineShares.Rank, inFlight: Int = 1, later: Int = 0, stages: Int = 1) {
        let kinds = rank.blocks.count
        self.init(kinds: kinds)
        for kind in 0..<kinds {
            let counts = [rank.blocks[kind] - rank.recomputed[kind], rank.recomputed[kind]]
            for (way, count) in counts.enumerated() {
                numbers[2 * kind + way] = Double(inFlight * count) / Double(stages)
                if later > 0 { numbers[2 * (kinds + kind) + way] = Double(later * count) / Double(stages) }
            }
        }
        if rank.holdsEmbedding { numbers[4 * kinds] = Double(inFlight) / Double(stages) }
    }

    /// Whether both have equal numbers of blocks of each kind whose backward has not started.
    func isAlike(_ other: HeldBlocks) -> Bool { numbers.prefix(2 * kinds) == other.numbers.prefix(2 * kinds) }

    /// Equal numbers of blocks, each with all its tensors, also if the first half of its backward has run.
    var asSets: HeldBlocks {
        var sets = self
        for place in 0..<2 * kinds {
            sets.numbers[place] += numbers[2 * kinds + place]
            sets.numbers[2 * kinds + place] = 0
        }
        return sets
    }

    /// Keeps only the tensors of a stage's blocks that weight gradients read, after the input-gradient half of the
    /// stage's backward.
    mutating func keepForWeightGradients(_ stage: HeldBlocks) {
        self -= stage
        let half = 2 * kinds
        for place in 0..<half { numbers[half + place] += stage.numbers[place] }
    }

    /// Drops a stage's blocks after the weight-gradient half of its backward.
    mutating func dropAfterWeightGradients(_ stage: HeldBlocks) {
        let half = 2 * kinds
        for place in 0..<half { numbers[half + place] -= stage.numbers[place] }
    }

    static func += (held: inout HeldBlocks, stage: HeldBlocks) {
        for place in 0..<2 * held.kinds { held.numbers[place] += stage.numbers[place] }
        held.numbers[4 * held.kinds] += stage.first
    }

    static func -= (held: inout HeldBlocks, stage: HeldBlocks) {
        for place in 0..<2 * held.kinds { held.numbers[place] -= stage.numbers[place] }
        held.numbers[4 * held.kinds] -= stage.first
    }

    /// Whether there are at least as many blocks of each kind as in `other`.
    private func covers(_ other: HeldBlocks) -> Bool {
        for (mine, theirs) in zip(numbers, other.numbers) where mine < theirs { return false }
        return true
    }

    /// Adds `moment` to `moments` unless one of them covers it. Moments that it covers are removed.
    static func add(_ moment: HeldBlocks, to moments: inout [HeldBlocks]) {
        for other in moments where other.covers(moment) { return }
        moments.removeAll { moment.covers($0) }
        moments.append(moment)
    }
}

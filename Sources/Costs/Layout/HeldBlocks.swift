/// Number of blocks whose activations a rank holds at one moment. A block counts once for each micro-batch whose
/// activations are held.
package struct HeldBlocks: Hashable, Sendable {
    /// Dense blocks; if only some blocks are recomputed, dense blocks that are not.
    package var dense = 0.0
    /// Blocks with experts; if only some blocks are recomputed, blocks with experts that are not.
    package var mixtures = 0.0
    /// Recomputed dense blocks, if only some blocks are recomputed.
    package var recomputed = 0.0
    /// Recomputed blocks with experts, if only some blocks are recomputed.
    package var recomputedMixtures = 0.0
    /// Dense blocks between the two halves of a split backward, which hold only the tensors that weight gradients read.
    /// The next three properties count the other kinds of blocks in this state.
    package var denseLater = 0.0
    package var mixturesLater = 0.0
    package var recomputedLater = 0.0
    package var recomputedMixturesLater = 0.0
    /// Micro-batches of which the first stage is held.
    package var first = 0.0

    package init() {}

    /// Blocks of a rank whose `stages` are alike. The rank holds `inFlight` activations of a stage, and `later` stages
    /// are between the two halves of their backward. By default: the blocks that one micro-batch passes on the rank.
    init(of rank: PipelineShares.Rank, inFlight: Int = 1, later: Int = 0, stages: Int = 1) {
        func held(_ count: Int) -> Double { Double(inFlight * count) / Double(stages) }
        func halves(_ count: Int) -> Double { Double(later * count) / Double(stages) }
        let (dense, mixtures) = (rank.layers - rank.mixtures - rank.recomputed, rank.mixtures - rank.recomputedMixtures)
        self.dense = held(dense)
        self.mixtures = held(mixtures)
        recomputed = held(rank.recomputed)
        recomputedMixtures = held(rank.recomputedMixtures)
        first = rank.holdsEmbedding ? held(1) : 0
        guard later > 0 else { return }
        denseLater = halves(dense)
        mixturesLater = halves(mixtures)
        recomputedLater = halves(rank.recomputed)
        recomputedMixturesLater = halves(rank.recomputedMixtures)
    }

    /// Whether both have equal numbers of blocks of each kind.
    func isAlike(_ other: HeldBlocks) -> Bool {
        dense == other.dense && mixtures == other.mixtures && recomputed == other.recomputed
            && recomputedMixtures == other.recomputedMixtures
    }

    /// Equal numbers of blocks, each with all its tensors, also if the first half of its backward has run.
    @inline(__always)
    var asSets: HeldBlocks {
        var sets = HeldBlocks()
        sets.dense = dense + denseLater
        sets.mixtures = mixtures + mixturesLater
        sets.recomputed = recomputed + recomputedLater
        sets.recomputedMixtures = recomputedMixtures + recomputedMixturesLater
        sets.first = first
        return sets
    }

    /// Keeps only the tensors of a stage's blocks that weight gradients read, after the input-gradient half of the
    /// stage's backward.
    mutating func keepForWeightGradients(_ stage: HeldBlocks) {
        dense -= stage.dense
        mixtures -= stage.mixtures
        recomputed -= stage.recomputed
        recomputedMixtures -= stage.recomputedMixtures
        denseLater += stage.dense
        mixturesLater += stage.mixtures
        recomputedLater += stage.recomputed
        recomputedMixturesLater += stage.recomputedMixtures
        first -= stage.first
    }

    /// Drops a stage's blocks after the weight-gradient half of its backward.
    mutating func dropAfterWeightGradients(_ stage: HeldBlocks) {
        denseLater -= stage.dense
        mixturesLater -= stage.mixtures
        recomputedLater -= stage.recomputed
        recomputedMixturesLater -= stage.recomputedMixtures
    }

    static func += (held: inout HeldBlocks, stage: HeldBlocks) {
        held.dense += stage.dense
        held.mixtures += stage.mixtures
        held.recomputed += stage.recomputed
        held.recomputedMixtures += stage.recomputedMixtures
        held.first += stage.first
    }

    static func -= (held: inout HeldBlocks, stage: HeldBlocks) {
        held.dense -= stage.dense
        held.mixtures -= stage.mixtures
        held.recomputed -= stage.recomputed
        held.recomputedMixtures -= stage.recomputedMixtures
        held.first -= stage.first
    }

    /// Whether there are at least as many blocks of each kind as in `other`.
    private func covers(_ other: HeldBlocks) -> Bool {
        dense >= other.dense && mixtures >= other.mixtures && recomputed >= other.recomputed
            && recomputedMixtures >= other.recomputedMixtures && first >= other.first
            && denseLater >= other.denseLater && mixturesLater >= other.mixturesLater
            && recomputedLater >= other.recomputedLater && recomputedMixturesLater >= other.recomputedMixturesLater
    }

    /// Adds `moment` to `moments` unless one of them covers it. Moments that it covers are removed.
    static func add(_ moment: HeldBlocks, to moments: inout [HeldBlocks]) {
        for other in moments where other.covers(moment) { return }
        moments.removeAll { moment.covers($0) }
        moments.append(moment)
    }
}

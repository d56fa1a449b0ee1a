/// Blocks whose activations a rank holds at one moment, each as often as it holds a micro-batch of it.
package struct HeldBlocks: Hashable, Sendable {
    /// Blocks without experts, and with them, that are recomputed as all are.
    package var dense = 0.0
    package var mixtures = 0.0
    /// Where only some blocks are recomputed: those that are. The others are the ones above.
    package var recomputed = 0.0
    package var recomputedMixtures = 0.0
    /// Blocks between the two halves of a split backward, in the same four kinds: what their weight gradients read is
    /// left of them.
    package var denseLater = 0.0
    package var mixturesLater = 0.0
    package var recomputedLater = 0.0
    package var recomputedMixturesLater = 0.0
    /// Micro-batches of the first stage.
    package var first = 0.0

    package init() {}

    /// With `inFlight` stages held of the `stages` that a rank has, all alike; 1 and 1: what one micro-batch leaves there.
    /// `later`: stages between the two halves of their backward.
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

    /// Whether the blocks are the same, the first stage's place aside.
    func isAlike(_ other: HeldBlocks) -> Bool {
        dense == other.dense && mixtures == other.mixtures && recomputed == other.recomputed
            && recomputedMixtures == other.recomputedMixtures
    }

    /// A set of tensors for every block under way, whichever half of its backward is to come.
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

    /// The input-gradient half of a stage's backward has run.
    mutating func halve(_ stage: HeldBlocks) {
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

    /// The weight-gradient half has.
    mutating func finish(_ stage: HeldBlocks) {
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

    /// Whether it holds no less of anything.
    private func covers(_ other: HeldBlocks) -> Bool {
        dense >= other.dense && mixtures >= other.mixtures && recomputed >= other.recomputed
            && recomputedMixtures >= other.recomputedMixtures && first >= other.first
            && denseLater >= other.denseLater && mixturesLater >= other.mixturesLater
            && recomputedLater >= other.recomputedLater && recomputedMixturesLater >= other.recomputedMixturesLater
    }

    /// Adds `moment` to `moments` unless one of them covers it; those that it covers go.
    static func add(_ moment: HeldBlocks, to moments: inout [HeldBlocks]) {
        for other in moments where other.covers(moment) { return }
        moments.removeAll { moment.covers($0) }
        moments.append(moment)
    }
}

package import Schedules

/// Blocks whose activations a rank holds at one moment, each as often as it holds a micro-batch of it.
package struct HeldBlocks: Hashable, Sendable {
    /// Blocks without experts, and with them, that are recomputed as all are.
    package var dense = 0.0
    package var mixtures = 0.0
    /// Where only some blocks are recomputed: those that are. The others are the ones above.
    package var recomputed = 0.0
    package var recomputedMixtures = 0.0
    /// Micro-batches of the first stage.
    package var first = 0.0

    package init() {}

    /// With `inFlight` stages held of the `stages` that a rank has, all alike; 1 and 1: what one micro-batch leaves there.
    init(of rank: PipelineShares.Rank, inFlight: Int = 1, stages: Int = 1) {
        func held(_ count: Int) -> Double { Double(inFlight * count) / Double(stages) }
        dense = held(rank.layers - rank.mixtures - rank.recomputed)
        mixtures = held(rank.mixtures - rank.recomputedMixtures)
        recomputed = held(rank.recomputed)
        recomputedMixtures = held(rank.recomputedMixtures)
        first = rank.holdsEmbedding ? held(1) : 0
    }

    /// Whether the blocks are the same, the first stage's place aside.
    func isAlike(_ other: HeldBlocks) -> Bool {
        dense == other.dense && mixtures == other.mixtures && recomputed == other.recomputed
            && recomputedMixtures == other.recomputedMixtures
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
    }

    /// Adds `moment` to `moments` unless one of them covers it; those that it covers go.
    static func add(_ moment: HeldBlocks, to moments: inout [HeldBlocks]) {
        if moments.contains(where: { $0.covers(moment) }) { return }
        moments.removeAll { moment.covers($0) }
        moments.append(moment)
    }
}

/// The lists of a run just long enough to hold every moment of another; made when they are first asked for.
struct ShortLists {
    let schedule: ScheduleName
    let shape: PipelineShape
    /// nil where they would be longer than lists may be.
    private(set) lazy var lists: [[Action]]? = try? schedule.schedule(schedule.shortened(shape)).actions

    init(_ schedule: ScheduleName, _ shape: PipelineShape) {
        self.schedule = schedule
        self.shape = shape
    }
}

extension PipelineShares {
    /// The fullest moments of every rank: one of them is the fullest whatever a block of each kind takes.
    ///
    /// Where a rank's stages are alike it is as many of them as its schedule holds at most. Where they are not (uneven
    /// splits, dense first blocks) the moments are found by walking the rank's list: a forward adds its stage's blocks,
    /// the backward (the weight gradient, where that is an action of its own) drops them. The lists are those of a short
    /// run (`ScheduleName.shortened`); where even they would be longer than lists may be, the mean stage is taken.
    package func fullestMoments(_ schedule: ScheduleName, _ shape: PipelineShape) -> [[HeldBlocks]] {
        var lists = ShortLists(schedule, shape)
        return fullestMoments(&lists)
    }

    private func fullestMoments(_ short: inout ShortLists) -> [[HeldBlocks]] {
        let (schedule, shape) = (short.schedule, short.shape)
        // Where every forward comes before any backward, each stage is held as often as any other.
        let lists = !schedule.forwardsFirst && !unlikeRanks.isEmpty ? short.lists : nil
        return ranks.indices.map { rank in
            if let lists, unlikeRanks.contains(rank) { return moments(of: lists[rank]) }
            return [mean(rank, inFlight: schedule.peakActivations(rank: rank, shape), shape)]
        }
    }

    /// Those of each kind of rank.
    func fullestMoments(byKind lists: inout ShortLists) -> [[HeldBlocks]] {
        var found = [[HeldBlocks]](repeating: [], count: kinds.count)
        for (rank, moments) in fullestMoments(&lists).enumerated() {
            for moment in moments { HeldBlocks.add(moment, to: &found[kindOfRank[rank]]) }
        }
        return found
    }

    /// The same of other lists than the schedule's.
    package func fullestMoments(of schedule: Schedule) -> [[HeldBlocks]] { schedule.actions.map(moments) }

    /// `inFlight` of a rank's stages, the mean of them where they differ.
    func mean(_ rank: Int, inFlight: Int, _ shape: PipelineShape) -> HeldBlocks {
        HeldBlocks(of: ranks[rank], inFlight: inFlight, stages: shape.virtualStages)
    }

    private func moments(of actions: [Action]) -> [HeldBlocks] {
        var moments: [HeldBlocks] = []
        var held = HeldBlocks()
        var grew = false
        for action in actions {
            let (kept, dropped) = ActivationRelease.backwardWeight.change(action.kind)
            if kept > 0 {
                held += stages[Int(action.stage)]
                grew = true
            }
            guard dropped > 0 else { continue }
            if grew { HeldBlocks.add(held, to: &moments) }
            grew = false
            held -= stages[Int(action.kind == .fused ? action.partnerStage : action.stage)]
        }
        return moments
    }
}

package import Schedules

/// Number of stages of which a rank holds activations at one moment. A stage counts once for each micro-batch whose
/// activations are held.
struct HeldStages: Hashable, Sendable {
    /// Stages whose backward has not started.
    var whole = 0
    /// Stages between the two halves of a split backward.
    var later = 0

    /// The fullest moments of a rank's action list. Every other moment has at most as many stages of both kinds as one
    /// of them.
    static func fullest(_ actions: [Action]) -> [HeldStages] {
        var moments: [HeldStages] = []
        var held = HeldStages()
        var grew = false
        for action in actions {
            switch action.kind {
            case .forward:
                held.whole += 1
                grew = true
            case .fused:
                held.whole += 1
                add(held, to: &moments)
                held.whole -= 1
                grew = false
            case .backward:
                if grew { add(held, to: &moments) }
                held.whole -= 1
                grew = false
            case .backwardInput:
                if grew { add(held, to: &moments) }
                held.whole -= 1
                held.later += 1
                grew = true
            case .backwardWeight:
                if grew { add(held, to: &moments) }
                held.later -= 1
                grew = false
            }
        }
        return moments
    }

    /// Adds `moment` to `moments` unless one of them covers it. Moments that it covers are removed.
    static func add(_ moment: HeldStages, to moments: inout [HeldStages]) {
        for other in moments where other.whole >= moment.whole && other.later >= moment.later { return }
        moments.removeAll { moment.whole >= $0.whole && moment.later >= $0.later }
        moments.append(moment)
    }
}

/// Action lists of a run that is just long enough to have the fullest moments of a longer one. They are computed at
/// first use.
struct ShortLists {
    let schedule: ScheduleName
    let shape: PipelineShape
    /// The action list of each rank; nil if the lists would exceed the allowed length.
    private(set) lazy var lists: [[Action]]? = try? schedule.schedule(schedule.shortened(shape)).actions
    private var knownStages: [[HeldStages]]?

    /// - Parameter stages: the known `stages` of a run that is shortened to the same lists; nil: unknown.
    init(_ schedule: ScheduleName, _ shape: PipelineShape, stages: [[HeldStages]]? = nil) {
        self.schedule = schedule
        self.shape = shape
        knownStages = stages
    }

    /// The fullest moments of every rank, counted in its stages; nil if there are no lists.
    var stages: [[HeldStages]]? {
        mutating get {
            if knownStages == nil { knownStages = lists?.map(HeldStages.fullest) }
            return knownStages
        }
    }
}

extension PipelineShares {
    /// The fullest moments of every rank. Whatever the bytes of each kind of block are, one of these moments takes most
    /// memory.
    ///
    /// If a rank's stages are alike and backwards whole, there is one moment, with the schedule's largest number of
    /// stages. If stages differ (uneven splits, dense first blocks), the moments are found by walking the rank's action
    /// list: a forward adds its stage's blocks, the backward drops them, and the first half of a split backward leaves
    /// the tensors that the second half reads. If backwards are split and stages alike, one walk counts stages instead
    /// of blocks. The lists are those of a short run (`ScheduleName.shortened`). If even these would exceed the allowed
    /// length, the mean stage is taken.
    package func fullestMoments(_ schedule: ScheduleName, _ shape: PipelineShape) -> [[HeldBlocks]] {
        var lists = ShortLists(schedule, shape)
        return fullestMoments(&lists)
    }

    private func fullestMoments(_ short: inout ShortLists) -> [[HeldBlocks]] {
        let (schedule, shape) = (short.schedule, short.shape)
        // If every forward comes before any backward, all stages are held equally often.
        let lists = !schedule.forwardsFirst && !unlikeRanks.isEmpty ? short.lists : nil
        let stages = schedule.splitsBackward ? short.stages : nil
        return ranks.indices.map { rank in
            if let lists, unlikeRanks.contains(rank) { return moments(of: lists[rank]) }
            if let stages {
                return stages[rank].map {
                    HeldBlocks(of: ranks[rank], inFlight: $0.whole, later: $0.later, stages: shape.virtualStages)
                }
            }
            return [mean(rank, inFlight: schedule.peakActivations(rank: rank, shape), shape)]
        }
    }

    /// The fullest moments of each kind of rank: the moments of all its ranks, except those that another moment covers.
    func fullestMoments(byKind lists: inout ShortLists) -> [[HeldBlocks]] {
        var found = [[HeldBlocks]](repeating: [], count: kinds.count)
        if unlikeRanks.isEmpty, lists.schedule.splitsBackward, let stages = lists.stages {
            // Ranks of a kind hold equal blocks in each stage, so stages can be counted.
            var counts = [[HeldStages]](repeating: [], count: kinds.count)
            for (rank, moments) in stages.enumerated() {
                for moment in moments { HeldStages.add(moment, to: &counts[kindOfRank[rank]]) }
            }
            return zip(kinds, counts).map { kind, moments in
                moments.map {
                    HeldBlocks(of: kind.share, inFlight: $0.whole, later: $0.later, stages: lists.shape.virtualStages)
                }
            }
        }
        for (rank, moments) in fullestMoments(&lists).enumerated() {
            for moment in moments { HeldBlocks.add(moment, to: &found[kindOfRank[rank]]) }
        }
        return found
    }

    /// The fullest moments of every rank under the lists of `schedule`, e.g. a searched one.
    package func fullestMoments(of schedule: Schedule) -> [[HeldBlocks]] { schedule.actions.map(moments) }

    /// Blocks of a rank that holds `inFlight` activations of its mean stage.
    func mean(_ rank: Int, inFlight: Int, _ shape: PipelineShape) -> HeldBlocks {
        HeldBlocks(of: ranks[rank], inFlight: inFlight, stages: shape.virtualStages)
    }

    /// The fullest moments of a rank with these `actions`.
    private func moments(of actions: [Action]) -> [HeldBlocks] {
        var moments: [HeldBlocks] = []
        var held = HeldBlocks(kinds: stages.first?.kinds ?? 0)
        var grew = false
        for action in actions {
            let stage = stages[Int(action.stage)]
            switch action.kind {
            case .forward:
                held += stage
                grew = true
                continue
            case .fused:
                held += stage
                grew = true
            case .backward, .backwardInput, .backwardWeight: break
            }
            if grew { HeldBlocks.add(held, to: &moments) }
            grew = false
            switch action.kind {
            case .backwardInput:
                held.keepForWeightGradients(stage)
                grew = true
            case .backwardWeight: held.dropAfterWeightGradients(stage)
            case .fused: held -= stages[Int(action.partnerStage)]
            case .forward, .backward: held -= stage
            }
        }
        return moments
    }
}

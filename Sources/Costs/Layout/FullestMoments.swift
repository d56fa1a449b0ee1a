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
            case .softmax, .outputGradient: break
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
        return fullestMoments(&lists).map(\.found)
    }

    private func fullestMoments(_ short: inout ShortLists) -> [HeldMoments] {
        let (schedule, shape) = (short.schedule, short.shape)
        // If every forward comes before any backward, all stages are held equally often.
        let lists = !schedule.forwardsFirst && !unlikeRanks.isEmpty ? short.lists : nil
        let numbers = lists == nil ? [] : stageNumbers
        let stages = schedule.splitsBackward ? short.stages : nil
        return ranks.indices.map { rank in
            if let lists, unlikeRanks.contains(rank) { return moments(of: lists[rank], stages: numbers) }
            if let stages {
                return HeldMoments(
                    stages[rank].map {
                        HeldBlocks(of: ranks[rank], inFlight: $0.whole, later: $0.later, stages: shape.virtualStages)
                    })
            }
            return HeldMoments([mean(rank, inFlight: schedule.peakActivations(rank: rank, shape), shape)])
        }
    }

    /// The fullest moments of each kind of rank: the moments of all its ranks, except those that another moment covers.
    func fullestMoments(byKind lists: inout ShortLists) -> [HeldMoments] {
        if unlikeRanks.isEmpty, lists.schedule.splitsBackward, let stages = lists.stages {
            // Ranks of a kind hold equal blocks in each stage, so stages can be counted.
            var counts = [[HeldStages]](repeating: [], count: kinds.count)
            for (rank, moments) in stages.enumerated() {
                for moment in moments { HeldStages.add(moment, to: &counts[kindOfRank[rank]]) }
            }
            return zip(kinds, counts).map { kind, moments in
                HeldMoments(
                    moments.map {
                        HeldBlocks(
                            of: kind.share, inFlight: $0.whole, later: $0.later, stages: lists.shape.virtualStages)
                    })
            }
        }
        if unlikeRanks.isEmpty || lists.schedule.forwardsFirst, !lists.schedule.splitsBackward {
            // Ranks of a kind hold equal blocks, so the rank that holds them most often covers the others.
            let shape = lists.shape
            var most = [Int](repeating: 0, count: kinds.count)
            for (rank, kind) in kindOfRank.enumerated() {
                most[kind] = max(most[kind], lists.schedule.peakActivations(rank: rank, shape))
            }
            return zip(kinds, most).map {
                HeldMoments([HeldBlocks(of: $0.share, inFlight: $1, stages: shape.virtualStages)])
            }
        }
        var found = [HeldMoments](repeating: HeldMoments(kinds: stages.first?.kinds ?? 0), count: kinds.count)
        for (rank, moments) in fullestMoments(&lists).enumerated() { found[kindOfRank[rank]].add(moments) }
        return found
    }

    /// The fullest moments of every rank under the lists of `schedule`, e.g. a searched one.
    package func fullestMoments(of schedule: Schedule) -> [[HeldBlocks]] {
        let numbers = stageNumbers
        return schedule.actions.map { moments(of: $0, stages: numbers).found }
    }

    /// Blocks of a rank that holds `inFlight` activations of its mean stage.
    func mean(_ rank: Int, inFlight: Int, _ shape: PipelineShape) -> HeldBlocks {
        HeldBlocks(of: ranks[rank], inFlight: inFlight, stages: shape.virtualStages)
    }

    /// The fullest moments of a rank with these `actions`.
    /// - Parameter stages: `stageNumbers`.
    private func moments(of actions: [Action], stages: [Double]) -> HeldMoments {
        guard let kinds = self.stages.first?.kinds else { return HeldMoments(kinds: 0) }
        let width = 4 * kinds + 1
        var moments = HeldMoments(kinds: kinds)
        stages.withUnsafeBufferPointer { stages in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: width) { held in
                held.initialize(repeating: 0)
                guard let stages = stages.baseAddress, let first = held.baseAddress else { return }
                var walk = HeldWalk(half: 2 * kinds, held: first)
                for action in actions where walk.take(action, stages: stages) {
                    moments.add(first)
                    walk.afterMoment(action, stages: stages)
                }
            }
        }
        return moments
    }
}

/// A walk along a rank's action list: the numbers of blocks that are held, in the order of `HeldBlocks.numbers`.
private struct HeldWalk {
    /// Numbers of the blocks whose backward has not started; as many follow for the others, and one for the masks.
    let half: Int
    let held: UnsafeMutablePointer<Double>
    /// Whether something was added since the last moment.
    private var grew = false

    init(half: Int, held: UnsafeMutablePointer<Double>) {
        self.half = half
        self.held = held
    }

    /// Takes the next action up to its fullest moment. Where there is none, the action is taken to its end.
    /// - Parameter stages: the numbers of all stages, one stage after the other.
    /// - Returns: whether a moment is to be noted before the action ends.
    @inline(__always)
    mutating func take(_ action: Action, stages: UnsafePointer<Double>) -> Bool {
        switch action.kind {
        case .forward:
            change(by: 1, stages, action.stage)
            grew = true
            return false
        case .fused:
            change(by: 1, stages, action.stage)
            grew = true
        case .backward, .backwardInput, .backwardWeight: break
        case .softmax, .outputGradient: return false
        }
        guard !grew else { return true }
        afterMoment(action, stages: stages)
        return false
    }

    /// Takes an action to its end, after its moment.
    @inline(__always)
    mutating func afterMoment(_ action: Action, stages: UnsafePointer<Double>) {
        grew = false
        let start = Int(action.stage) * (2 * half + 1)
        switch action.kind {
        case .backwardInput:
            change(by: -1, stages, action.stage)
            for place in 0..<half { held[half + place] += stages[start + place] }
            grew = true
        case .backwardWeight: for place in 0..<half { held[half + place] -= stages[start + place] }
        case .fused: change(by: -1, stages, action.partnerStage)
        case .forward, .backward: change(by: -1, stages, action.stage)
        case .softmax, .outputGradient: break
        }
    }

    /// Adds or drops the blocks of a stage whose backward has not started.
    @inline(__always)
    private func change(by sign: Double, _ stages: UnsafePointer<Double>, _ stage: Int32) {
        let numbers = stages + Int(stage) * (2 * half + 1)
        for place in 0..<half { held[place] += sign * numbers[place] }
        held[2 * half] += sign * numbers[2 * half]
    }
}

/// Moments of which none covers another, as one list of numbers.
struct HeldMoments: Hashable, Sendable {
    private let width: Int
    /// The numbers of the moments, one after the other.
    private(set) var numbers: [Double] = []

    init(kinds: Int) { width = 4 * kinds + 1 }

    /// These moments, all of which are taken.
    init(_ moments: [HeldBlocks]) {
        width = moments.first?.numbers.count ?? 1
        numbers = moments.count == 1 ? moments[0].numbers : moments.flatMap(\.numbers)
    }

    /// Number of moments.
    var count: Int { numbers.count / width }

    /// Adds the moments of another list.
    mutating func add(_ others: HeldMoments) {
        others.numbers.withUnsafeBufferPointer { numbers in
            guard let first = numbers.baseAddress else { return }
            for other in 0..<others.count { add(first + other * width) }
        }
    }

    /// Adds a moment unless another covers it. Moments that it covers are removed.
    mutating func add(_ moment: UnsafePointer<Double>) {
        let (count, width) = (numbers.count / width, width)
        let kept = numbers.withUnsafeMutableBufferPointer { numbers -> Int? in
            guard let first = numbers.baseAddress else { return 0 }
            for other in 0..<count where Self.covers(first + other * width, moment, width) { return nil }
            var kept = 0
            for other in 0..<count where !Self.covers(moment, first + other * width, width) {
                if kept < other { (first + kept * width).update(from: first + other * width, count: width) }
                kept += 1
            }
            return kept
        }
        guard let kept else { return }
        numbers.removeLast((count - kept) * width)
        numbers.append(contentsOf: UnsafeBufferPointer(start: moment, count: width))
    }

    /// Whether a moment has at least as many blocks of each kind as another.
    @inline(__always)
    private static func covers(_ first: UnsafePointer<Double>, _ second: UnsafePointer<Double>, _ width: Int) -> Bool {
        for place in 0..<width where first[place] < second[place] { return false }
        return true
    }

    var found: [HeldBlocks] {
        stride(from: 0, to: numbers.count, by: width).map { HeldBlocks(numbers: Array(numbers[$0..<$0 + width])) }
    }
}

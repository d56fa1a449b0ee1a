/// The schedules that `layout.schedule` of a plan may name; docs/schedules.md describes each.
package enum ScheduleName: String, Hashable, Codable, Sendable, CaseIterable {
    case gpipe
    case oneForwardOneBackward = "1f1b"
    case interleaved = "interleaved-1f1b"
    case loopedBFS = "looped-bfs"
    case zeroBubbleH1 = "zb-h1"
    case zeroBubbleH2 = "zb-h2"
    case interleavedZeroBubble = "interleaved-zb"
    case zeroBubbleV = "zbv"
    case vHalf = "v-half"
    case vMin = "v-min"
    case dualPipe = "dualpipe"
    case dualPipeV = "dualpipev"
    case chimera
}

/// A pipeline shape for which a schedule has no list.
package struct ScheduleProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package var schedule: ScheduleName
    /// The broken rule in words, with what to do instead where that is known.
    package var rule: String

    package init(schedule: ScheduleName, rule: String) {
        self.schedule = schedule
        self.rule = rule
    }

    package var description: String { rule }
}

extension ScheduleName {
    /// The functions behind the name.
    private var rules: any PipelineSchedule.Type {
        switch self {
        case .gpipe: GPipe.self
        case .oneForwardOneBackward: OneForwardOneBackward.self
        case .interleaved: InterleavedOneForwardOneBackward.self
        case .loopedBFS: LoopedBFS.self
        case .zeroBubbleH1: ZeroBubbleH1.self
        case .zeroBubbleH2: ZeroBubbleH2.self
        case .interleavedZeroBubble: InterleavedZeroBubble.self
        case .zeroBubbleV: ZeroBubbleV.self
        case .vHalf: VHalf.self
        case .vMin: VMin.self
        case .dualPipe: DualPipe.self
        case .dualPipeV: DualPipeV.self
        case .chimera: Chimera.self
        }
    }

    /// Stages each rank holds where the schedule leaves no choice; nil where it takes any number.
    package var fixedVirtualStages: Int? {
        switch self {
        case .gpipe, .oneForwardOneBackward, .zeroBubbleH1, .zeroBubbleH2: 1
        case .interleaved, .loopedBFS, .interleavedZeroBubble: nil
        case .zeroBubbleV, .vHalf, .vMin, .dualPipe, .dualPipeV, .chimera: 2
        }
    }

    /// Whether a rank's two stages lie mirrored, so that the first and the last stage share rank 0.
    package var isFolded: Bool {
        switch self {
        case .zeroBubbleV, .vHalf, .vMin, .dualPipeV: true
        default: false
        }
    }

    /// Whether every forward comes before any backward.
    package var forwardsFirst: Bool {
        switch self {
        case .gpipe, .loopedBFS: true
        default: false
        }
    }

    /// Whether no pipeline has exactly the time of its law.
    package var lawIsEstimate: Bool {
        switch self {
        case .vHalf, .vMin: true
        default: false
        }
    }

    /// Whether every stage lives on two ranks, each with a copy of its parameters.
    package var isBidirectional: Bool {
        switch self {
        case .dualPipe, .chimera: true
        default: false
        }
    }

    /// Whether weight gradients are actions of their own.
    package var splitsBackward: Bool { rules.splitsBackward }

    /// The broken rule in words, or nil when the shape has a list. No list is built.
    package func problem(ranks: Int, virtualStages: Int, microbatches: Int, groupSize: Int? = nil) -> String? {
        problem(
            PipelineShape(ranks: ranks, virtualStages: virtualStages, microbatches: microbatches, groupSize: groupSize))
    }

    /// The broken rule in words, or nil when the shape has a list. No list is built.
    package func problem(_ shape: PipelineShape) -> String? {
        let largest = Int(Int32.max)
        for (name, value) in [
            ("ranks", shape.ranks), ("virtual stages", shape.virtualStages), ("micro-batches", shape.microbatches),
        ] {
            if value < 1 { return "\(rawValue) needs at least 1 of \(name), not \(value)" }
            if value > largest { return "\(rawValue) takes at most \(largest) \(name), not \(value)" }
        }
        if shape.ranks * shape.virtualStages > largest {
            return "\(rawValue) takes at most \(largest) stages, not \(shape.ranks) × \(shape.virtualStages)"
        }
        return rules.problem(shape)
    }

    /// Actions beyond which a list is refused rather than built (a list takes 20 bytes an action).
    package static var mostActions: Int { 1 << 24 }

    /// The action lists of every rank.
    /// - Throws: the broken rule, for a shape without a list or with one of more than `mostActions` actions.
    package func schedule(
        ranks: Int, virtualStages: Int, microbatches: Int, groupSize: Int? = nil
    ) throws(ScheduleProblem) -> Schedule {
        try schedule(
            PipelineShape(ranks: ranks, virtualStages: virtualStages, microbatches: microbatches, groupSize: groupSize))
    }

    /// The action lists of every rank.
    /// - Throws: the broken rule, for a shape without a list or with one of more than `mostActions` actions.
    package func schedule(_ shape: PipelineShape) throws(ScheduleProblem) -> Schedule {
        if let rule = problem(shape) { throw ScheduleProblem(schedule: self, rule: rule) }
        let (actions, overflow) = (shape.ranks * shape.virtualStages).multipliedReportingOverflow(
            by: (rules.splitsBackward ? 3 : 2) * shape.microbatches)
        guard !overflow, actions <= Self.mostActions else {
            throw ScheduleProblem(
                schedule: self,
                rule: "the lists of \(shape.ranks) ranks × \(shape.virtualStages) virtual stages × "
                    + "\(shape.microbatches) micro-batches would hold more than \(Self.mostActions) actions")
        }
        return Schedule(
            name: rawValue, ranks: shape.ranks, virtualStages: shape.virtualStages, microbatches: shape.microbatches,
            placement: rules.placement(shape), actions: rules.lists(shape))
    }

    /// Every schedule that has lists of this shape and puts the stages where `placement` has them.
    package static func schedules(_ shape: PipelineShape, placed placement: StagePlacement) -> [Schedule] {
        // Placements are compared first: the lists of a thousand ranks take long to make.
        allCases.filter { $0.problem(shape) == nil && $0.placement(shape) == placement }
            .compactMap { try? $0.schedule(shape) }
    }

    /// Where the stages live. The shape must have no problem.
    package func placement(_ shape: PipelineShape) -> StagePlacement { rules.placement(shape) }

    /// Most activations, counted in stages, that `rank` holds at once. The shape must have no problem.
    package func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        rules.peakActivations(rank: rank, shape)
    }

    /// Most micro-batches of which the last stage has done the forward and not yet all of the backward: those whose
    /// logits, or their gradients, it holds. The shape must have no problem.
    package func peakHeadMicrobatches(_ shape: PipelineShape) -> Int { rules.peakHeadMicrobatches(shape) }

    /// Time of one iteration with equal stages: exact where `makespanIsExact`. The shape must have no problem.
    package func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        rules.makespan(shape, times: times)
    }

    /// Whether `makespan` is the time the simulator finds, rather than an estimate of it.
    package func makespanIsExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        rules.isExact(shape, times: times)
    }
}

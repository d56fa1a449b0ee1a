/// A pipeline schedule: the order of work on every rank, and the facts that prices and searches need about it.
///
/// A new schedule is one file in this folder with a type that conforms, and one line in `ScheduleName.definitions`. Four
/// members must be stated. Every other member has a default that is counted on the lists or claims nothing, so leaving it
/// out makes a price slower to find and never wrong. Conforming to `MakespanLaw` or `MakespanEstimate` as well states a
/// closed form of the time.
///
/// Every function but `brokenRule` asks for a shape without a problem.
package protocol PipelineSchedule: SendableMetatype {
    /// The name in plans and on the command line, such as `1f1b`.
    static var name: String { get }
    /// Where the stages live, and with it how many each rank holds.
    static var placement: StagePlacement.Kind { get }
    /// Whether the lists hold input and weight gradients as actions of their own.
    static var splitsBackward: Bool { get }
    /// The ordered actions of one rank.
    static func actions(rank: Int, _ shape: PipelineShape) -> [Action]

    /// Other names in use, as papers and tools write them.
    static var aliases: [String] { get }
    /// The schedule to take for several stages a rank where this one runs a single stage; nil: none to recommend.
    static var interleavedForm: ScheduleName? { get }
    /// Whether micro-batches pass in groups, whose size a shape may state.
    static var hasGroups: Bool { get }
    /// Whether the schedule has lists for a vocabulary that all ranks divide.
    static var dividesVocabulary: Bool { get }
    /// The schedule's own rule that a shape breaks, in words; nil where it breaks none. Builds no list.
    ///
    /// `problem` has checked the sizes, the stages a rank and that no group size is stated for a schedule without groups.
    static func brokenRule(_ shape: PipelineShape) -> String?
    /// The ordered actions of every rank. Override it where all lists come from one computation.
    static func lists(_ shape: PipelineShape) -> [[Action]]
    /// A run of fewer micro-batches in which each rank holds, by stage, everything it holds at once in the run of `shape`.
    static func shortened(_ shape: PipelineShape) -> PipelineShape
    /// Most activations, counted in stages, that `rank` holds at once. One is dropped at the end of its backward, of its
    /// weight gradient where that is an action of its own.
    static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int
    /// Micro-batches that wait on the last stage for their backward.
    static func headBacklog(_ shape: PipelineShape) -> HeadBacklog
    /// Whether every forward of a rank comes before its first backward.
    static var forwardsFirst: Bool { get }
    /// Whether an iteration never takes less than m(T_F+T_B) + (p−1)(T_F+T_B)/v: no rank has other work while the pipeline
    /// fills and drains. A search leaves out layouts by it; false leaves out none.
    static var hasFullBubble: Bool { get }
    /// Whether rank r passes min(m, p−r) micro-batches at least through all of its stages before its first backward. A search
    /// bounds memory by it; false claims nothing.
    static var fillsFirst: Bool { get }
}

extension PipelineSchedule {
    package static var aliases: [String] { [] }

    package static var interleavedForm: ScheduleName? { nil }

    package static var hasGroups: Bool { false }

    package static var dividesVocabulary: Bool { false }

    package static func brokenRule(_ shape: PipelineShape) -> String? { nil }

    package static func lists(_ shape: PipelineShape) -> [[Action]] {
        (0..<shape.ranks).map { actions(rank: $0, shape) }
    }

    package static func shortened(_ shape: PipelineShape) -> PipelineShape { shape }

    package static func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        ActivationRelease.backwardWeight.peak(of: actions(rank: rank, shortened(shape)))
    }

    package static func headBacklog(_ shape: PipelineShape) -> HeadBacklog { countedHeadBacklog(shape) }

    package static var forwardsFirst: Bool { false }

    package static var hasFullBubble: Bool { false }

    package static var fillsFirst: Bool { false }
}

extension PipelineSchedule {
    /// The broken rule in words, or nil when the shape has a list. No list is built.
    package static func problem(_ shape: PipelineShape) -> String? {
        let largest = Int(Int32.max)
        for (size, value) in [
            ("ranks", shape.ranks), ("virtual stages", shape.virtualStages), ("micro-batches", shape.microbatches),
        ] {
            if value < 1 { return "\(name) needs at least 1 of \(size), not \(value)" }
            if value > largest { return "\(name) takes at most \(largest) \(size), not \(value)" }
        }
        if shape.ranks * shape.virtualStages > largest {
            return "\(name) takes at most \(largest) stages, not \(shape.ranks) × \(shape.virtualStages)"
        }
        if let stages = placement.virtualStages, shape.virtualStages != stages {
            return "\(name) runs \(stages == 1 ? "one stage" : "exactly \(stages) stages") a rank, not "
                + "\(shape.virtualStages) virtual stage\(shape.virtualStages == 1 ? "" : "s")"
                + (interleavedForm.map { "; \($0.rawValue) runs several" } ?? "")
        }
        if shape.groupSize != nil, !hasGroups { return "\(name) has no micro-batch groups; leave the group size out" }
        if let vocabulary = shape.vocabulary {
            guard dividesVocabulary else {
                return "\(name) has no lists with \(vocabulary.rawValue), which divides the vocabulary; "
                    + "\(ScheduleName.oneForwardOneBackward.rawValue) has"
            }
            if shape.ranks < 2 { return "\(vocabulary.rawValue) needs at least 2 ranks to divide the vocabulary" }
        }
        return brokenRule(shape)
    }

    /// The rank of each stage.
    package static func stagePlacement(_ shape: PipelineShape) -> StagePlacement {
        placement.placement(
            ranks: shape.ranks, virtualStages: shape.virtualStages, microbatches: shape.microbatches)
    }

    /// The action lists of every rank.
    /// - Throws: the broken rule, for a shape without a list or with one of more than `ScheduleName.mostActions` actions.
    package static func schedule(_ shape: PipelineShape) throws(ScheduleProblem) -> Schedule {
        if let rule = problem(shape) { throw ScheduleProblem(schedule: name, rule: rule) }
        let (actions, overflow) = (shape.ranks * shape.virtualStages).multipliedReportingOverflow(
            by: ((splitsBackward ? 3 : 2) + (shape.vocabulary == nil ? 0 : 2)) * shape.microbatches)
        guard !overflow, actions <= ScheduleName.mostActions else {
            throw ScheduleProblem(
                schedule: name,
                rule: "the lists of \(shape.ranks) ranks × \(shape.virtualStages) virtual stages × "
                    + "\(shape.microbatches) micro-batches would hold more than \(ScheduleName.mostActions) actions")
        }
        return Schedule(
            name: name, ranks: shape.ranks, virtualStages: shape.virtualStages, microbatches: shape.microbatches,
            placement: stagePlacement(shape), vocabulary: shape.vocabulary, actions: lists(shape))
    }
}

/// A pipeline shape for which a schedule has no list.
package struct ScheduleProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The schedule's name.
    package var schedule: String
    /// The broken rule in words, with what to do instead where that is known.
    package var rule: String

    package init(schedule: String, rule: String) {
        self.schedule = schedule
        self.rule = rule
    }

    package var description: String { rule }
}

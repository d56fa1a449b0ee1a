/// A pipeline schedule by its name, as a plan (`layout.schedule`) and the command line have it.
package struct ScheduleName: RawRepresentable, Hashable, Codable, Sendable, CaseIterable {
    /// Every schedule, in the order in which they are printed and searched. A new one is a line here and its own file.
    private static let definitions: [any PipelineSchedule.Type] = [
        GPipe.self,
        OneForwardOneBackward.self,
        InterleavedOneForwardOneBackward.self,
        LoopedBFS.self,
        ZeroBubbleH1.self,
        ZeroBubbleH2.self,
        InterleavedZeroBubble.self,
        ZeroBubbleV.self,
        VHalf.self,
        VMin.self,
        DualPipe.self,
        DualPipeV.self,
        Chimera.self,
    ]

    private let place: UInt8

    /// Place in `allCases`.
    package var index: Int { Int(place) }

    private init(index: Int) { place = UInt8(index) }

    package static let allCases = definitions.indices.map(ScheduleName.init(index:))

    /// The name that plans and commands write, such as `1f1b`.
    package var rawValue: String { definition.name }

    package init?(rawValue: String) {
        guard let index = Self.definitions.firstIndex(where: { $0.name == rawValue }) else { return nil }
        self.init(index: index)
    }

    /// The name of a schedule that has its line in `definitions`.
    init(of schedule: any PipelineSchedule.Type) {
        guard let index = Self.definitions.firstIndex(where: { $0 == schedule }) else {
            preconditionFailure("\(schedule.name) has no line in ScheduleName.definitions")
        }
        self.init(index: index)
    }

    package static func == (a: ScheduleName, b: ScheduleName) -> Bool { a.place == b.place }

    package static func != (a: ScheduleName, b: ScheduleName) -> Bool { a.place != b.place }

    package func hash(into hasher: inout Hasher) { hasher.combine(place) }

    /// The schedule behind the name.
    private var definition: any PipelineSchedule.Type { Self.definitions[index] }
}

extension ScheduleName: CustomStringConvertible {
    package var description: String { rawValue }
}

// MARK: - Facts that depend on no pipeline

extension ScheduleName {
    /// The facts that a search asks for millions of times, found once a schedule.
    private struct Facts: Sendable {
        var placement: StagePlacement.Kind
        var splitsBackward: Bool
        var forwardsFirst: Bool
        var hasFullBubble: Bool
        var fillsFirst: Bool
        var makespanSource: MakespanSource
        var closedForm: (any MakespanEstimate.Type)?

        init(_ schedule: any PipelineSchedule.Type) {
            placement = schedule.placement
            splitsBackward = schedule.splitsBackward
            forwardsFirst = schedule.forwardsFirst
            hasFullBubble = schedule.hasFullBubble
            fillsFirst = schedule.fillsFirst
            makespanSource = schedule.makespanSource
            closedForm = schedule.closedForm
        }
    }

    private static let facts = definitions.map(Facts.init)

    private var facts: Facts { Self.facts[index] }

    /// Other names in use, as they are written there.
    package var aliases: [String] { definition.aliases }

    /// Stages each rank holds where the schedule leaves no choice; nil where it takes any number.
    package var fixedVirtualStages: Int? { facts.placement.virtualStages }

    /// Whether a rank's two stages lie in a V, so that the first and the last stage share rank 0.
    package var isFolded: Bool { facts.placement == .folded }

    /// Whether every stage lives on two ranks, each with a copy of its parameters.
    package var isBidirectional: Bool { facts.placement == .bidirectional }

    /// Whether a rank runs a forward and a backward of two micro-batches as one action.
    package var fusesPasses: Bool { self == .dualPipe || self == .dualPipeV }

    /// Copies of every stage's parameters in one pipeline.
    package var copies: Int { facts.placement.copies }

    /// Stages of a pipeline of `ranks` ranks with `virtualStages` stages each. Copies count once.
    package func stages(ranks: Int, virtualStages: Int) -> Int {
        facts.placement.stages(ranks: ranks, virtualStages: virtualStages)
    }

    /// Whether every forward of a rank comes before its first backward.
    package var forwardsFirst: Bool { facts.forwardsFirst }

    /// Whether weight gradients are actions of their own.
    package var splitsBackward: Bool { facts.splitsBackward }

    /// Whether an iteration never takes less than m(T_F+T_B) + (p−1)(T_F+T_B)/v; false claims nothing.
    package var hasFullBubble: Bool { facts.hasFullBubble }

    /// Whether rank r passes min(m, p−r) micro-batches at least through all of its stages before its first backward; false
    /// claims nothing.
    package var fillsFirst: Bool { facts.fillsFirst }

    /// Whether the schedule has lists for a vocabulary that all ranks divide.
    package var dividesVocabulary: Bool { definition.dividesVocabulary }

    /// Where `makespan` comes from.
    package var makespanSource: MakespanSource { facts.makespanSource }
}

// MARK: - Pipelines

extension ScheduleName {
    /// The schedule of a pipeline that names none.
    package static func usual(virtualStages: Int) -> ScheduleName {
        virtualStages > 1 ? .interleaved : .oneForwardOneBackward
    }

    /// The broken rule in words, or nil when the shape has a list. No list is built.
    package func problem(ranks: Int, virtualStages: Int, microbatches: Int, groupSize: Int? = nil) -> String? {
        problem(
            PipelineShape(ranks: ranks, virtualStages: virtualStages, microbatches: microbatches, groupSize: groupSize))
    }

    /// The broken rule in words, or nil when the shape has a list. No list is built.
    package func problem(_ shape: PipelineShape) -> String? { definition.problem(shape) }

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
        try definition.schedule(shape)
    }

    /// Every schedule that has lists of this shape and puts the stages where `placement` has them.
    package static func schedules(_ shape: PipelineShape, placed placement: StagePlacement) -> [Schedule] {
        // Placements are compared first: the lists of a thousand ranks take long to make.
        allCases.filter { $0.problem(shape) == nil && $0.placement(shape) == placement }
            .compactMap { try? $0.schedule(shape) }
    }

    /// The rank of each stage. The shape must have no problem.
    package func placement(_ shape: PipelineShape) -> StagePlacement { definition.stagePlacement(shape) }

    /// A run of fewer micro-batches in which each rank holds, by stage, everything it holds at once in the run of `shape`.
    /// The shape must have no problem.
    package func shortened(_ shape: PipelineShape) -> PipelineShape { definition.shortened(shape) }

    /// Most activations, counted in stages, that `rank` holds at once. The shape must have no problem.
    package func peakActivations(rank: Int, _ shape: PipelineShape) -> Int {
        definition.peakActivations(rank: rank, shape)
    }

    /// Micro-batches that wait on the last stage for their backward. The shape must have no problem.
    package func headBacklog(_ shape: PipelineShape) -> HeadBacklog { definition.headBacklog(shape) }

    /// Time of one iteration with equal stages: exact where `makespanIsExact`. The shape must have no problem.
    package func makespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        facts.closedForm?.makespan(shape, times: times) ?? definition.listedMakespan(shape, times: times)
    }

    /// Whether `makespan` is the time the simulator finds, rather than an estimate of it.
    package func makespanIsExact(_ shape: PipelineShape, times: UniformTimes) -> Bool {
        definition.makespanIsExact(shape, times: times)
    }
}

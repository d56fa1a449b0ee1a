internal import Models
internal import Numbers
internal import Reading
internal import Schedules

/// Reads `layout:` of a plan.
enum LayoutReading {
    /// The content of the map. `data` may be absent; it then follows from the number of devices.
    struct Result {
        var layout: Layout
        var dataIsGiven: Bool
        var openSchedule: OpenSchedule?
        /// Keys that the map leaves to their default.
        var openDefaults = Layout.Default.transfers
        /// The blocks of the stages, if the plan states them in another way than `layersPerStage`.
        var division: StageDivision?
        /// Figures that the layout of a JSON answer also holds: sequences of a step, and micro-batches of a step in
        /// each pipeline.
        var globalBatch: Int?
        var microbatches: Int?

        /// Problems of stated figures that contradict the plan's other figures.
        func contradictions(batch: Int) -> [PlanProblem] {
            var problems: [PlanProblem] = []
            if let globalBatch, globalBatch != batch {
                problems.append(
                    PlanProblem(
                        .misfit, field: "layout.globalBatch", value: Figures.grouped(globalBatch),
                        rule: "must be batch, \(Figures.grouped(batch))", fix: "remove one of the two"))
            }
            let slice = layout.data.multipliedReportingOverflow(by: layout.microbatch).partialValue
            if let microbatches, slice > 0, batch % slice == 0, microbatches != batch / slice {
                problems.append(
                    PlanProblem(
                        .misfit, field: "layout.microbatches", value: Figures.grouped(microbatches),
                        rule: "must be batch / (data · microbatch), \(Figures.grouped(batch / slice))",
                        fix: "remove it, it follows from the others"))
            }
            return problems
        }
    }

    /// Reads `layout:`. nil: `auto`, or a layout that cannot be read, which was then reported.
    /// Keys that `none` takes away: a layout without them says nothing in their place.
    private static let optionalKeys = [
        "contextHeads", "dispatcher", "vocabularyParallel", "recomputeModules", "recomputeLayers", "recomputeEvery",
        "shardGroup", "layersPerStage", "pipelineLayout", "decoderFirstPipelineNumLayers",
        "decoderLastPipelineNumLayers", "offload",
    ]

    /// - Parameter isTrained: whether the plan is one of a real run, whose runtime hides what it always hides.
    static func read(_ plan: FieldReader, isTrained: Bool) -> Result? {
        if let word = plan.word("layout") {
            if word != "auto" {
                plan.report("layout", value: "'\(word)'", rule: "must be auto or a map of degrees")
            }
            return nil
        }
        guard let reader = plan.map("layout") else { return nil }
        let none = reader.takeAwayNone(optionalKeys)
        var layout = Layout()
        let data = reader.count("data", in: Bounds.degree)
        layout.data = data ?? 1
        layout.tensor = reader.count("tensor", in: Bounds.degree) ?? 1
        layout.pipeline = reader.count("pipeline", in: Bounds.degree) ?? 1
        var virtualStages = reader.count("virtualStages", in: Bounds.layers)
        layout.context = reader.count("context", in: Bounds.degree) ?? 1
        layout.contextExchange = reader.choice("contextExchange", of: Layout.ContextExchange.self) ?? .ring
        layout.contextHeads = reader.count("contextHeads", in: Bounds.degree)
        layout.expert = reader.count("expert", in: Bounds.degree) ?? 1
        layout.expertTensor = reader.count("expertTensor", in: Bounds.degree) ?? 1
        layout.dispatcher = reader.choice("dispatcher", of: Layout.Dispatcher.self)
        layout.microbatch = reader.count("microbatch", in: Bounds.batch) ?? 1
        let isOpen = reader.scalar("schedule") == "auto"
        if isOpen { _ = reader.text("schedule") }
        let named = isOpen ? nil : schedule(reader)
        let division = StageDivision.read(reader)
        if named?.fixedVirtualStages == nil {
            virtualStages = virtualStages ?? division?.text?.virtualStages(pipeline: layout.pipeline)
        }
        let openSchedule = isOpen ? OpenSchedule(virtualStages: virtualStages) : nil
        layout.schedule = named ?? .usual(virtualStages: virtualStages ?? 1)
        layout.virtualStages = virtualStages ?? layout.schedule.fixedVirtualStages ?? 1
        layout.vocabularyParallel = reader.choice("vocabularyParallel", of: VocabularyParallel.self)
        layout.recompute = reader.choice("recompute", of: Layout.Recompute.self) ?? .none
        layout.recomputed = RecomputeReading.blocks(reader)
        layout.recomputeModules = RecomputeReading.modules(reader)
        layout.sharding = reader.choice("sharding", of: Layout.Sharding.self) ?? .none
        layout.shardGroup = reader.count("shardGroup", in: Bounds.degree)
        layout.outerSharding = reader.choice("outerSharding", of: Layout.OuterSharding.self) ?? .none
        layout.sequenceParallel = reader.flag("sequenceParallel") ?? false
        layout.flashAttention = reader.flag("flashAttention") ?? true
        layout.gradients = GradientFormat.read(reader)
        layout.layersPerStage = reader.counts("layersPerStage", in: 0...Bounds.layers.upperBound)
        var openDefaults = Set(Layout.Default.allCases).filter {
            !reader.contains($0.rawValue) && !none.contains($0.rawValue)
        }
        if reader.contains("virtualStages") || reader.contains("pipelineLayout") { openDefaults.remove(.schedule) }
        if division != nil { openDefaults.remove(.layersPerStage) }
        if !isTrained { layout.overlap = .standard(with: layout.schedule) }
        if let overlap = reader.map("overlap") {
            let standard = layout.overlap
            if overlap.contains("tensor") { openDefaults.remove(.tensorOverlap) }
            if overlap.contains("expert") { openDefaults.remove(.expertOverlap) }
            layout.overlap = Layout.Overlap(
                data: overlap.flag("data") ?? standard.data, tensor: overlap.flag("tensor") ?? standard.tensor,
                pipeline: overlap.flag("pipeline") ?? standard.pipeline,
                expert: overlap.flag("expert") ?? standard.expert,
                sharedExperts: overlap.flag("sharedExperts") ?? standard.sharedExperts)
            overlap.reportUnknownKeys()
        }
        layout.offload = OffloadReading.read(reader)
        if OffloadReading.statesOverlap(reader) { openDefaults.remove(.offloadOverlap) }
        let globalBatch = reader.count("globalBatch", in: Bounds.batch)
        let microbatches = reader.count("microbatches", in: Bounds.batch)
        reader.reportUnknownKeys()
        return Result(
            layout: layout, dataIsGiven: reader.contains("data"), openSchedule: openSchedule,
            openDefaults: openDefaults, division: division, globalBatch: globalBatch, microbatches: microbatches)
    }

    /// Reads a schedule by its name or by another name in use.
    private static func schedule(_ reader: FieldReader) -> ScheduleName? {
        if let named = reader.scalar("schedule").flatMap(ScheduleName.init(named:)) {
            _ = reader.text("schedule")
            return named
        }
        if reader.scalar("schedule") == "optimal" {
            _ = reader.text("schedule")
            reader.report(
                "schedule", value: "'optimal'", rule: "must be auto or the name of a schedule",
                fix: "lists of a search have no name; see them with trainyard simulate FILE --schedule optimal")
            return nil
        }
        return reader.choice("schedule", of: ScheduleName.self)
    }
}

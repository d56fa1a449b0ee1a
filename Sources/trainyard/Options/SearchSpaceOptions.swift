internal import ArgumentParser
internal import Models
internal import Options
internal import Planner
internal import Plans
internal import Reading
internal import Schedules

/// The options that constrain the layouts of a search.
struct SearchSpaceOptions: ParsableArguments {
    @Option(
        help:
            "Fix the tensor degree (at most the devices of the innermost network unless fixed or --max-tensor says otherwise)."
    )
    var tensor: Count?
    @Option(help: "Fix the pipeline degree.")
    var pipeline: Count?
    @Option(help: "Fix the stages a pipeline rank holds.")
    var virtualStages: Count?
    @Option(help: "Fix the context degree.")
    var context: Count?
    @Option(help: "Fix the expert degree.")
    var expert: Count?
    @Option(help: "Fix the degree experts' matrices are cut by.")
    var expertTensor: Count?
    @Option(help: "Fix the data-parallel degree.")
    var data: Count?
    @Option(help: "Fix the micro-batch, sequences.")
    var microbatch: Count?
    @Option(help: "Fix the recomputed blocks of a stage.")
    var recomputeLayers: Count?
    @Option(help: "Largest tensor degree; the devices that the innermost network joins if left out.")
    var maxTensor: Count?
    @Option(help: "Largest micro-batch, sequences.")
    var maxMicrobatch: Count = 16
    @OptionGroup var chooser: LayoutSearchOptions
    @Option(help: "Recomputation to try, with commas: none,selective,full.")
    var recompute: String?
    @Option(
        help:
            "Modules of blocks that selective recomputation computes again, with commas: core_attn,moe_act,layernorm,mla_up_proj,mlp,moe,shared_experts."
    )
    var recomputeModules: String?
    @Option(help: "Sharding to try, with commas: none,optimizer,gradients,parameters.")
    var sharding: String?
    @Option(help: "Exchanges among context ranks to try, with commas: ring,gather,heads,headsAndRing.")
    var contextExchange: String?
    @Option(
        help: "How rows reach their experts: alltoall, allgather, deepep or hybridep; the software's way if left out.")
    var dispatcher: String?
    @Option(
        help:
            "Try dividing the vocabulary over the ranks of pipelines with schedule 1f1b, for the layouts that are timed; with commas: vocab-1,vocab-2."
    )
    var vocabularyParallel: String?
    @Flag(inversion: .prefixedNo, help: "Fix sequence parallelism; both are tried if left out.")
    var sequenceParallel: Bool?
    @Flag(help: "Attention that keeps its scores.")
    var unfusedAttention = false
    @Flag(help: "Experts' exchanges run behind another micro-batch's compute, as DualPipe does.")
    var hiddenExchanges = false
    @Option(help: "Share of device memory that stays free.")
    var headroom: Double = 0.05
    @Option(help: "Train in fp32, fp16, bf16, fp8, mxfp8 or nvfp4, instead of the plan's.")
    var precision: Precision?

    /// An option that fixes or limits a field of the layouts, and the property it sets.
    private typealias Constraint = (
        name: String, value: (SearchSpaceOptions) -> Count?, field: WritableKeyPath<SearchSpace, Int?>
    )

    private static var constraints: [Constraint] {
        [
            ("tensor", \.tensor, \.tensor.fixed), ("pipeline", \.pipeline, \.pipeline.fixed),
            ("virtual-stages", \.virtualStages, \.virtualStages.fixed),
            // For a layout whose schedule alone is open, the number is a limit.
            ("virtual-stages", \.virtualStages, \.virtualStages.most),
            ("context", \.context, \.context.fixed), ("expert", \.expert, \.expert.fixed),
            ("expert-tensor", \.expertTensor, \.expertTensor.fixed), ("data", \.data, \.data.fixed),
            ("microbatch", \.microbatch, \.microbatch.fixed),
            ("recompute-layers", \.recomputeLayers, \.recomputeLayers.fixed),
            ("max-tensor", \.maxTensor, \.tensor.most), ("max-microbatch", { $0.maxMicrobatch }, \.microbatch.most),
        ]
    }

    func validate() throws {
        for constraint in Self.constraints {
            try check("--\(constraint.name)", constraint.value(self), in: Bounds.degree)
        }
        guard headroom >= 0, headroom < 1 else {
            throw ValidationError("--headroom takes a share from 0 to below 1, not \(headroom)")
        }
    }

    /// The settings of the search.
    func settings() throws -> SearchSettings {
        var settings = SearchSettings()
        settings.usableMemory = 1 - headroom
        for constraint in Self.constraints {
            if let count = constraint.value(self) { settings.space[keyPath: constraint.field] = count.value }
        }
        settings.space.base.flashAttention = !unfusedAttention
        settings.space.base.overlap.expert = hiddenExchanges
        if let sequenceParallel { settings.space.sequenceParallel = [sequenceParallel] }
        try chooser.apply(to: &settings.space)
        if let recompute {
            settings.space.recompute = try words(
                recompute, "--recompute", Layout.Recompute.allCases.map(\.rawValue), Layout.Recompute.init)
        }
        if let recomputeModules {
            settings.space.base.recomputeModules = RecomputeModules(
                try words(
                    recomputeModules, "--recompute-modules", RecomputeModules.Name.allCases.map(\.rawValue),
                    RecomputeModules.Name.init))
        }
        if let sharding {
            settings.space.sharding = try words(
                sharding, "--sharding", Layout.Sharding.allCases.map(\.rawValue), Layout.Sharding.init)
        }
        if let contextExchange {
            settings.space.contextExchanges = try words(
                contextExchange, "--context-exchange", Layout.ContextExchange.allCases.map(\.rawValue),
                Layout.ContextExchange.init)
        }
        if let dispatcher {
            settings.space.base.dispatcher = try words(
                dispatcher, "--dispatcher", Layout.Dispatcher.allCases.map(\.rawValue), Layout.Dispatcher.init
            ).first
        }
        if let vocabularyParallel {
            settings.space.vocabularyParallel = try words(
                vocabularyParallel, "--vocabulary-parallel", VocabularyParallel.allCases.map(\.rawValue),
                VocabularyParallel.init)
        }
        return settings
    }

    /// Puts the precision into the plan.
    func apply(to plan: inout Plan) throws {
        guard let precision else { return }
        guard plan.cluster.device.peakFLOPs[precision] != nil else {
            throw Failure.input("--precision: \(plan.cluster.device.name) has no rate for \(precision.rawValue)")
        }
        // Steps were measured in the plan's own format.
        if precision != plan.precision { plan = plan.withoutMeasurements(because: "--precision") }
        plan.precision = precision
    }
}

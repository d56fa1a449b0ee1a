internal import ArgumentParser
internal import Models
internal import Options
internal import Planner
internal import Plans
internal import Reading
internal import Schedules

/// Constraints on the layouts that are tried.
struct SpaceOptions: ParsableArguments {
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
    @OptionGroup var chooser: ChooserOptions
    @Option(help: "Recomputation to try, with commas: none,selective,full.")
    var recompute: String?
    @Option(help: "Sharding to try, with commas: none,optimizer,gradients,parameters.")
    var sharding: String?
    @Flag(inversion: .prefixedNo, help: "Fix sequence parallelism; both are tried if left out.")
    var sequenceParallel: Bool?
    @Flag(help: "Attention that keeps its scores.")
    var unfusedAttention = false
    @Flag(help: "Experts' exchanges run behind another micro-batch's compute, as DualPipe does.")
    var hiddenExchanges = false
    @Option(help: "Share of device memory that stays free.")
    var headroom: Double = 0.05
    @Option(help: "Train in fp32, fp16, bf16 or fp8, instead of the plan's.")
    var precision: Precision?

    func validate() throws {
        for (name, value) in [
            ("tensor", tensor), ("pipeline", pipeline), ("virtual-stages", virtualStages), ("context", context),
            ("expert", expert), ("expert-tensor", expertTensor), ("data", data), ("microbatch", microbatch),
            ("recompute-layers", recomputeLayers), ("max-tensor", maxTensor), ("max-microbatch", maxMicrobatch),
        ] {
            try check("--\(name)", value, in: Bounds.degree)
        }
        guard headroom >= 0, headroom < 1 else {
            throw ValidationError("--headroom takes a share from 0 to below 1, not \(headroom)")
        }
    }

    /// How the search is to be done.
    func settings() throws -> SearchSettings {
        var settings = SearchSettings()
        settings.usableMemory = 1 - headroom
        settings.space.fixed.tensor = tensor?.value
        settings.space.fixed.pipeline = pipeline?.value
        settings.space.fixed.virtualStages = virtualStages?.value
        settings.space.fixed.context = context?.value
        settings.space.fixed.expert = expert?.value
        settings.space.fixed.expertTensor = expertTensor?.value
        settings.space.fixed.data = data?.value
        settings.space.fixed.microbatch = microbatch?.value
        settings.space.fixed.recomputeLayers = recomputeLayers?.value
        settings.space.mostTensor = maxTensor?.value
        settings.space.mostMicrobatch = maxMicrobatch.value
        settings.space.flashAttention = !unfusedAttention
        settings.space.overlap.expert = hiddenExchanges
        if let virtualStages { settings.space.mostVirtualStages = virtualStages.value }
        if let sequenceParallel { settings.space.sequenceParallel = [sequenceParallel] }
        try chooser.apply(to: &settings.space)
        if let recompute {
            settings.space.recompute = try words(
                recompute, "--recompute", Layout.Recompute.allCases.map(\.rawValue), Layout.Recompute.init)
        }
        if let sharding {
            settings.space.sharding = try words(
                sharding, "--sharding", Layout.Sharding.allCases.map(\.rawValue), Layout.Sharding.init)
        }
        return settings
    }

    /// The plan with the precision asked for.
    func apply(to plan: inout Plan) throws {
        guard let precision else { return }
        guard plan.cluster.device.peakFLOPs[precision] != nil else {
            throw Failure.input("--precision: \(plan.cluster.device.name) has no rate for \(precision.rawValue)")
        }
        plan.precision = precision
    }
}
